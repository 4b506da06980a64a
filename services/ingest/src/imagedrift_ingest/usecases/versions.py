"""Following versions: which references tell one, which lists are wanted, and how references stand.

Rules:
- One replica works at a time, in a turn, and a bounded number of rows at a time.
- Hosts are counted in each run for a while after tags were read, as the rows of their hosts follow
  these, and after counts changed, as references are found one after another. Later they are counted
  now and then: that reads all references.
- Each step is repeated until nothing is left, or for some seconds: the next run goes on.
"""

from collections.abc import Awaitable, Callable
from typing import Final, Protocol

from imagedrift_ingest.turns import Turns
from imagedrift_runtime.clock import Clock

TURN: Final = "versions"
WORKS_FOR_S: Final = 10.0
COUNTED_EVERY_S: Final = 30.0


class VersionStore(Protocol):
    """The versions of references. Every method returns how many rows it changed."""

    async def read_tags(self) -> int:
        """Read the tags of some new references."""

    async def count(self) -> int:
        """Count the hosts that run versions of each repository: which lists are due."""

    async def compare_new(self) -> int:
        """Compare some references that came or went with the list that is there."""


class FollowVersions:
    """Reads the tags of new references, and compares these with the lists that are there."""

    def __init__(
        self,
        store: VersionStore,
        turns: Turns,
        clock: Clock,
        counted_every_s: float = COUNTED_EVERY_S,
    ) -> None:
        self._store = store
        self._turns = turns
        self._clock = clock
        self._counted_every_s = counted_every_s
        self._count_at = self._often_until = 0.0

    async def run(self) -> None:
        """Do all waiting work, unless another replica does it."""
        await self._turns.run(TURN, self._follow)

    async def _follow(self) -> None:
        began = self._clock.monotonic()
        until = began + WORKS_FOR_S
        if await self._repeat(self._store.read_tags, until):
            self._often_until = began + self._counted_every_s
        if began <= self._often_until or began >= self._count_at:
            if await self._store.count():
                self._often_until = began + self._counted_every_s
            await self._repeat(self._store.compare_new, until)
            self._count_at = began + self._counted_every_s

    async def _repeat(self, step: Callable[[], Awaitable[int]], until: float) -> bool:
        """Repeat a step, and tell whether it did anything."""
        count = await step()
        did_something = count > 0
        while count and self._clock.monotonic() < until:
            count = await step()
        return did_something
