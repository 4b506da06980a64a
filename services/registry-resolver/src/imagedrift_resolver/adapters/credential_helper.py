"""Docker's credential helpers: programs that are asked for the credential of one server."""

import asyncio
import shutil
from typing import Final

from imagedrift_resolver.core.credential import Credential, for_path
from imagedrift_resolver.core.credential_entry import EntryFault, read_helper
from imagedrift_resolver.core.docker_config import Helper
from imagedrift_runtime.clock import Clock

HELPER_WITHIN_S: Final = 10.0
KEPT_S: Final = 300.0
"""How long a helper's word is taken: its passwords last hours, and programs are slow to start."""
FAILED_KEPT_S: Final = 20.0
"""And for how long its failure: it may have been away for a moment, and it may hang each time."""
MOST_KEPT: Final = 10_000
_LONGEST: Final = 64 * 1024
_NOTHING: Final = b"credentials not found"

HelperResult = Credential | EntryFault | None


class Helpers:
    """Every helper that was asked, with its answer."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._kept: dict[Helper, tuple[float, HelperResult]] = {}
        self._locks: dict[Helper, asyncio.Lock] = {}

    async def ask(self, helper: Helper) -> HelperResult:
        """Return the credential that a helper has, None when it has none, or why it cannot say."""
        if len(self._locks) >= MOST_KEPT:
            self._locks = {key: lock for key, lock in self._locks.items() if lock.locked()}
            self._kept.clear()
        async with self._locks.setdefault(helper, asyncio.Lock()):
            kept = self._kept.get(helper)
            if kept and self._clock.monotonic() < kept[0]:
                return kept[1]
            told = await _run(helper)
            kept_s = FAILED_KEPT_S if isinstance(told, EntryFault) else KEPT_S
            self._kept[helper] = (self._clock.monotonic() + kept_s, told)
            return told

    def forget(self) -> None:
        """Ask anew from now on: a login may have changed what a helper has."""
        self._kept.clear()


async def _run(helper: Helper) -> HelperResult:
    """Ask a helper: the server on its input, a document or a complaint on its output."""
    program = shutil.which(helper.program)
    if program is None:
        return _fault(helper, "is not installed")
    try:
        process = await asyncio.create_subprocess_exec(
            program,
            "get",
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.DEVNULL,
        )
    except OSError as error:
        return _fault(helper, f"cannot be started: {error.strerror}")
    try:
        async with asyncio.timeout(HELPER_WITHIN_S):
            output, _ = await process.communicate(helper.server.encode())
    except TimeoutError:
        process.kill()
        await process.wait()
        return _fault(helper, f"gave no answer within {HELPER_WITHIN_S:.0f} s")
    if process.returncode:
        if output.lstrip().lower().startswith(_NOTHING):
            return None
        return _fault(helper, f"failed with exit code {process.returncode}")
    told = read_helper(output[:_LONGEST])
    if isinstance(told, EntryFault):
        return _fault(helper, told.reason)
    return for_path(told, helper.path) if told and helper.path else told


def _fault(helper: Helper, why: str) -> EntryFault:
    return EntryFault(f"the credential helper {helper.program} {why}", own=helper.required)
