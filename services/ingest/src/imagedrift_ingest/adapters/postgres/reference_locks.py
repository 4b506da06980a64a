"""Which references the batches of this process make images of: no two of them the same at a time.

Rules:
- Transactions that make images of one reference wait for each other in the database, each with its
  connection. So a batch takes references that no other works with, and both go on.
- A batch takes a portion at a time. One that waits for a reference gets it before one that comes
  back for more: a host with thousands of new images delays another by a portion at most.
"""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from itertools import count

from imagedrift_ingest.core.identities import ImageKey


class ReferenceLocks:
    """The references that batches hold, and those that they wait for."""

    def __init__(self) -> None:
        self._held: set[str] = set()
        self._awaited: dict[int, set[str]] = {}
        self._order = count()
        self._changed = asyncio.Event()

    @asynccontextmanager
    async def take(self, wanted: Sequence[ImageKey], most: int) -> AsyncIterator[list[ImageKey]]:
        """Hold the references of the first images that are free, and give these images.

        Waits until there is one.
        """
        some = self._free(wanted, most) or await self._await_free(wanted, most)
        references = {key.reference for key in some}
        self._held |= references
        try:
            yield some
        finally:
            self._held -= references
            self._wake()

    async def _await_free(self, wanted: Sequence[ImageKey], most: int) -> list[ImageKey]:
        """Wait in line until some of the images are free."""
        number = next(self._order)
        self._awaited[number] = {key.reference for key in wanted}
        try:
            while not (some := self._free(wanted, most, number)):
                await self._changed.wait()
        finally:
            del self._awaited[number]
            self._wake()
        return some

    def _free(
        self, wanted: Sequence[ImageKey], most: int, number: int | None = None
    ) -> list[ImageKey]:
        """Return images whose references no batch holds, nor waits for before this one."""
        ahead = [refs for other, refs in self._awaited.items() if number is None or other < number]
        taken = self._held.union(*ahead)
        return [key for key in wanted if key.reference not in taken][:most]

    def _wake(self) -> None:
        """Wake all waiting batches, so that they look again."""
        self._changed.set()
        self._changed = asyncio.Event()
