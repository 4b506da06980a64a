"""The health of a service: its parts, ready or not, and why. `health_server` serves it."""

import asyncio
import time
from collections.abc import Iterable

from msgspec import Struct

from imagedrift_runtime import metrics

STUCK_AFTER_S = 10.0
TURN_EVERY_S = 1.0


class Part(Struct, frozen=True):
    """One part's state: ready, or the reason why not."""

    ready: bool
    reason: str = ""


class Health:
    """The parts of a service, by name. A part that has not reported yet is not ready."""

    def __init__(
        self,
        parts: Iterable[str] = (),
        turn_every_s: float = TURN_EVERY_S,
        stuck_after_s: float = STUCK_AFTER_S,
    ) -> None:
        self._turn_every_s = turn_every_s
        self._stuck_after_s = stuck_after_s
        self._parts: dict[str, Part] = {name: Part(False, "starting") for name in parts}
        self._starting = set(self._parts)
        self._turned = time.monotonic()

    def ready(self, part: str) -> None:
        """Say that `part` works."""
        self._parts[part] = Part(True)
        self._starting.discard(part)
        metrics.ready.set(1, part=part)

    def failed(self, part: str, reason: str) -> None:
        """Say that `part` does not work now, and why, in words for an operator."""
        self._parts[part] = Part(False, reason)
        metrics.ready.set(0, part=part)

    def parts(self) -> dict[str, Part]:
        """Tell the state of every part."""
        return dict(self._parts)

    @property
    def is_ready(self) -> bool:
        """Tell whether every part is ready."""
        return all(part.ready for part in self.parts().values())

    @property
    def has_begun(self) -> bool:
        """Tell whether every part has been ready once: before that there is nothing to finish."""
        return not self._starting

    @property
    def is_alive(self) -> bool:
        """Tell whether the event loop has turned lately."""
        return time.monotonic() - self._turned < self._stuck_after_s

    async def turn(self) -> None:
        """Note, for ever, that the event loop turns, and how late it was."""
        while True:
            self._turned = time.monotonic()
            await asyncio.sleep(self._turn_every_s)
            metrics.loop_lag.set(time.monotonic() - self._turned - self._turn_every_s)
