"""Docker's `config.json` on disk, and the helper programs that it names."""

import asyncio
import shutil
import time
from pathlib import Path
from typing import Final

import structlog

from imagedrift_resolver.core.credential import Anonymous, Credential
from imagedrift_resolver.core.docker_config import (
    DockerConfig,
    Fault,
    Helper,
    look_up,
    parse_config,
    read_helper,
)
from imagedrift_schemas.v1 import Denied

log = structlog.get_logger()

HELPER_WITHIN_S: Final = 10.0
KEPT_S: Final = 300.0
"""How long a helper's word is taken: its passwords last hours, and programs are slow to start."""
FAILED_KEPT_S: Final = 20.0
"""And for how long its failure: it may have been away for a moment, and it may hang each time."""
LOOK_EVERY_S: Final = 1.0
_LONGEST: Final = 64 * 1024
_NOTHING: Final = b"credentials not found"


class DockerCredentials:
    """Credentials as the Docker command line would find them."""

    def __init__(self, folder: Path) -> None:
        self._path = folder / "config.json"
        self._looked_at = float("-inf")
        self._changed: tuple[float, int] | None = None
        self._config: DockerConfig | Fault = DockerConfig()
        self._kept: dict[Helper, tuple[float, Credential | Denied]] = {}
        self._locks: dict[Helper, asyncio.Lock] = {}

    async def of(self, registry: str) -> Credential | Denied:
        """Return the credential for a registry, or why the configured one cannot be had."""
        config = self._read()
        found = config if isinstance(config, Fault) else look_up(config, registry)
        match found:
            case None:
                return Anonymous()
            case Fault(reason):
                return Denied(reason=f"{self._path.name} of Docker {reason}")
            case Helper():
                async with self._locks.setdefault(found, asyncio.Lock()):
                    return await self._asked(found)
            case _:
                return found

    def _read(self) -> DockerConfig | Fault:
        """Read the file again when it has changed: a login must not need a restart."""
        if time.monotonic() - self._looked_at < LOOK_EVERY_S:
            return self._config
        self._looked_at = time.monotonic()
        try:
            stat = self._path.stat()
            changed = (stat.st_mtime, stat.st_ino)
            if changed != self._changed:
                self._config = parse_config(self._path.read_bytes())
                self._changed = changed
                self._kept.clear()
        except FileNotFoundError:
            self._config, self._changed = DockerConfig(), None
        except OSError as error:
            self._config, self._changed = Fault(f"cannot be read: {error.strerror}"), None
        return self._config

    async def _asked(self, helper: Helper) -> Credential | Denied:
        kept = self._kept.get(helper)
        if kept and time.monotonic() < kept[0]:
            return kept[1]
        told = await _run(helper)
        credential = _unavailable(helper, told) if isinstance(told, Fault) else told
        kept_s = FAILED_KEPT_S if isinstance(told, Fault) else KEPT_S
        self._kept[helper] = (time.monotonic() + kept_s, credential)
        return credential


async def _run(helper: Helper) -> Credential | Fault:
    """Ask a helper: the server on its input, a document or a complaint on its output."""
    program = shutil.which(_name(helper))
    if program is None:
        return Fault("is not installed")
    try:
        process = await asyncio.create_subprocess_exec(
            program,
            "get",
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.DEVNULL,
        )
    except OSError as error:
        return Fault(f"cannot be started: {error.strerror}")
    try:
        async with asyncio.timeout(HELPER_WITHIN_S):
            output, _ = await process.communicate(helper.server.encode())
    except TimeoutError:
        process.kill()
        await process.wait()
        return Fault(f"gave no answer within {HELPER_WITHIN_S:.0f} s")
    if process.returncode:
        if output.lstrip().lower().startswith(_NOTHING):
            return Anonymous()
        return Fault(f"failed with exit code {process.returncode}")
    return read_helper(output[:_LONGEST]) or Anonymous()


def _unavailable(helper: Helper, fault: Fault) -> Credential | Denied:
    """A store for all registries that is not there leaves us anonymous, as it does Docker."""
    name = _name(helper)
    log.warning("credential.unavailable", helper=name, server=helper.server, error=fault.reason)
    if helper.required:
        return Denied(reason=f"the credential helper {name} {fault.reason}")
    return Anonymous()


def _name(helper: Helper) -> str:
    return f"docker-credential-{helper.suffix}"
