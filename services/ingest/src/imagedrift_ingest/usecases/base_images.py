"""Following base images: which of them are asked about, and which were replaced.

Rules:
- One replica works at a time, in a turn, and a bounded number of rows at a time.
- Bases are followed only where an operator asks for that. Else those that were rest.
- Labels are read, and images without a host found, now and then: that reads all images with labels.
"""

from typing import Final, Protocol

from imagedrift_ingest.turns import Turns
from imagedrift_runtime.clock import Clock

TURN: Final = "base_images"
WORKS_FOR_S: Final = 10.0


class BaseImageStore(Protocol):
    """The base images that labels name."""

    async def rest(self, *, all_of_them: bool) -> int:
        """Let bases rest that no image in use was built on, or all, and return how many do."""

    async def read(self) -> int:
        """Follow some bases that labels name; how many."""

    async def judge(self, after: int) -> int:
        """Judge the next bases after a key; the last one's key, 0 when there is none."""


class FollowBaseImages:
    """Asks about the images that others were built on, if that is wanted."""

    def __init__(
        self, store: BaseImageStore, turns: Turns, clock: Clock, *, is_wanted: bool
    ) -> None:
        self._store = store
        self._turns = turns
        self._clock = clock
        self._is_wanted = is_wanted

    async def run(self) -> None:
        """Do all waiting work, unless another replica does it."""
        await self._turns.run(TURN, self._follow)

    async def _follow(self) -> None:
        until = self._clock.monotonic() + WORKS_FOR_S
        await self._store.rest(all_of_them=not self._is_wanted)
        if not self._is_wanted:
            return
        while await self._store.read() and self._clock.monotonic() < until:
            pass
        judged = await self._store.judge(0)
        while judged and self._clock.monotonic() < until:
            judged = await self._store.judge(judged)
