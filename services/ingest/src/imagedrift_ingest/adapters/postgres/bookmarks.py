"""How far a stream was read, noted in the transaction that stores what was read.

What ingest has acknowledged never comes again. A database that was restored to an earlier moment
lacks some of it, and everything has to be read again.

Rules:
- Each batch turns a bookmark that no other batch has at the time, so that none waits for another.
- A bookmark that is not where this process left it tells that the database is not the one that it
  wrote to. Nothing is stored before the streams are told to deliver everything again.
- A process that starts has left none. Then what is acknowledged must have been noted by somebody:
  that is seen before its first batch is stored.
- Of a message that is refused nothing is stored, and it is acknowledged: its sequence is noted too.
"""

import asyncio
import uuid
from collections.abc import Awaitable, Callable, Sequence
from typing import Protocol, TypeVar

import asyncpg
import structlog
from msgspec import Struct

from imagedrift_ingest.adapters.postgres.connect import Database
from imagedrift_ingest.adapters.postgres.statements import load
from imagedrift_ingest.service import Away
from imagedrift_runtime import metrics
from imagedrift_runtime.nats.consumer import BatchHandler
from imagedrift_runtime.nats.delivery import Delivery
from imagedrift_runtime.nats.outcomes import Outcome, Reject

log = structlog.get_logger()

SQL = load("bookmarks")

T = TypeVar("T")


class Consumers(Protocol):
    """Ingest's consumers of its streams. Raises `Away`."""

    async def acknowledged(self, stream: str) -> tuple[int, int]:
        """Tell the epoch of a stream, and up to which sequence it is acknowledged."""

    async def again(self) -> None:
        """Have every stream delivered from its start."""


class _Moved(Exception):
    """A bookmark is not where it was left."""


class _Bookmark(Struct):
    name: uuid.UUID
    turn: int = 0
    epoch: int = 0
    seq: int = 0


class Bookmarks:
    """The bookmarks of one process in one stream; without `consumers` nothing is read again."""

    def __init__(self, database: Database, stream: str, consumers: Consumers | None = None) -> None:
        self._database = database
        self._stream = stream
        self._consumers = consumers
        self._free: list[_Bookmark] = []
        self._has_begun = False
        self._beginning = asyncio.Lock()
        self._epoch = 0
        self._refused = (0, 0)
        metrics.read_again.begin(stream=stream)

    async def transaction(
        self, epoch: int, seq: int, work: Callable[[asyncpg.Connection], Awaitable[T]]
    ) -> T:
        """Store a batch that ends with a sequence. Raises as `Database.transaction` does."""
        await self._begin()
        mark = self._free.pop() if self._free else _Bookmark(uuid.uuid4())
        statement = SQL["turn"] if mark.turn else SQL["begin"]

        async def marked(connection: asyncpg.Connection) -> T:
            where = (mark.name, mark.turn, self._stream, epoch, seq)
            if await connection.execute(statement, *where) == "UPDATE 0":
                raise _Moved
            return await work(connection)

        try:
            result = await self._database.transaction(marked)
        except _Moved as error:
            await self._begin_again(mark, "the database was taken back to an earlier moment")
            raise Away("the database was taken back to an earlier moment") from error
        except BaseException:
            self._free.append(mark)
            raise
        mark.turn, mark.epoch, mark.seq = mark.turn + 1, epoch, seq
        self._free.append(mark)
        self._epoch = epoch
        return result

    def noting_refusals(self, handle: BatchHandler) -> BatchHandler:
        """Return a handler that also remembers the last sequence it refuses, until `look`."""

        async def handle_and_remember(deliveries: Sequence[Delivery]) -> Sequence[Outcome]:
            outcomes = await handle(deliveries)
            pairs = zip(deliveries, outcomes, strict=True)
            refused = [d.stream_seq for d, outcome in pairs if isinstance(outcome, Reject)]
            if refused:
                self._refused = max(self._refused, (self._epoch, max(refused)))
            return outcomes

        return handle_and_remember

    async def look(self) -> None:
        """See whether the bookmark that was turned last is where it was left. Raises `Away`."""

        async def nothing(connection: asyncpg.Connection) -> None:
            """Store nothing."""

        await self._begin()
        last = self._free[-1] if self._free else None
        epoch, seq = (last.epoch, last.seq) if last and last.turn else (self._epoch, 0)
        if self._refused[0] == epoch:  # else the stream was made anew since
            seq = max(seq, self._refused[1])
        if last or seq:
            await self.transaction(epoch, seq, nothing)

    async def _begin(self) -> None:
        """See before the first batch whether what was acknowledged of the stream is stored."""
        async with self._beginning:
            if self._consumers is None or self._has_begun:
                return
            epoch, acknowledged = await self._consumers.acknowledged(self._stream)
            self._epoch = epoch
            read_to = await self._read_to(epoch)
            if acknowledged > read_to:
                why = f"{acknowledged} is acknowledged, and {read_to} is stored"
                await self._begin_again(None, why)
            self._has_begun = True

    async def _read_to(self, epoch: int) -> int:
        async def work(connection: asyncpg.Connection) -> int:
            await connection.execute(SQL["drop_old"], self._stream)
            return await connection.fetchval(SQL["read_to"], self._stream, epoch) or 0

        return await self._database.transaction(work)

    async def _begin_again(self, mark: _Bookmark | None, why: str) -> None:
        try:
            if self._consumers:
                await self._consumers.again()
        except Away:
            if mark:
                self._free.append(mark)  # found again by the next batch
            raise
        self._free.clear()
        log.warning("streams.read_again", stream=self._stream, reason=why)
        metrics.read_again.add(stream=self._stream)
