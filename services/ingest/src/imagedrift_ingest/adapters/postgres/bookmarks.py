"""The position in a stream, noted in the transaction that stores the messages up to it.

What ingest has acknowledged never comes again. A database that was restored to an earlier moment
lacks some of it, and everything has to be read again.

Rules:
- Each batch moves a bookmark that no other batch has at the time, so that none waits for another.
- A bookmark that is not where this process left it shows that the database is not the one that it
  wrote to. Nothing is stored before the streams are told to deliver everything again.
- A process that starts has left none, nor has any in a stream that was made since: one that was
  restored from a backup comes with what was acknowledged then. Some process must have noted that:
  it is checked before the first batch is stored, and before the first one of each new stream.
- Of a message that is refused nothing is stored, and it is acknowledged: its sequence is noted too.
"""

import asyncio
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final, Protocol

import asyncpg
from msgspec import Struct

from imagedrift_ingest.adapters.postgres.connection import Database
from imagedrift_ingest.adapters.postgres.statements import load
from imagedrift_ingest.errors import DatabaseUnavailable, ServerUnavailable
from imagedrift_runtime import metrics
from imagedrift_runtime.logs import get_logger

log = get_logger()

SQL = load("bookmarks")
TAKEN_BACK: Final = "the database was taken back to an earlier moment"


class BookmarkedStream(Protocol):
    """The stream that is read. Raises `StreamUnavailable`."""

    async def epoch(self) -> int:
        """Tell the stream's epoch, as of a few seconds ago."""

    async def acknowledged(self) -> tuple[int, int]:
        """Tell the stream's epoch, and up to which sequence it is acknowledged."""

    async def reread_all(self) -> None:
        """Have every stream delivered from its start."""


class BookmarkMoved(Exception):
    """A bookmark is not where it was left."""


class Bookmark(Struct):
    """One bookmark, which one batch at a time moves."""

    stream: str
    name: uuid.UUID
    turn: int = 0
    epoch: int = 0
    seq: int = 0

    async def move(self, connection: asyncpg.Connection, epoch: int, seq: int) -> None:
        """Move the bookmark to a sequence. Raises `BookmarkMoved`."""
        statement = SQL["turn"] if self.turn else SQL["begin"]
        where = (self.name, self.turn, self.stream, epoch, seq)
        if await connection.execute(statement, *where) == "UPDATE 0":
            raise BookmarkMoved

    def moved(self, epoch: int, seq: int) -> None:
        """Note that the transaction which moved it is committed."""
        self.turn, self.epoch, self.seq = self.turn + 1, epoch, seq


class Bookmarks:
    """The bookmarks of one process in one stream."""

    def __init__(self, database: Database, stream: str, source: BookmarkedStream) -> None:
        self._database = database
        self._stream = stream
        self._source = source
        self._free: list[Bookmark] = []
        self._beginning = asyncio.Lock()
        self._checked = 0
        """The epoch of the stream whose acknowledged messages were last seen to be stored."""
        self._epoch = 0
        self._refused = (0, 0)
        metrics.read_again.begin(stream=stream)

    @asynccontextmanager
    async def batch(self, epoch: int, seq: int) -> AsyncIterator[Bookmark]:
        """Give a batch that ends with a sequence its bookmark, for its transaction to move.

        Raises `DatabaseUnavailable` when the bookmark was not where it was left.
        """
        await self._begin()
        bookmark = self._free.pop() if self._free else Bookmark(self._stream, uuid.uuid4())
        try:
            yield bookmark
        except BookmarkMoved as error:
            await self._begin_again(bookmark, TAKEN_BACK)
            raise DatabaseUnavailable(TAKEN_BACK) from error
        except BaseException:
            self._free.append(bookmark)
            raise
        bookmark.moved(epoch, seq)
        self._free.append(bookmark)
        self._epoch = epoch

    def note_refused(self, seq: int) -> None:
        """Remember the sequence of a refused message, until `look`."""
        self._refused = max(self._refused, (self._epoch, seq))

    async def look(self) -> None:
        """See whether the bookmark that was moved last is where it was left.

        Raises `DatabaseUnavailable`.
        """
        await self._begin()
        last = self._free[-1] if self._free else None
        epoch, seq = (last.epoch, last.seq) if last and last.turn else (self._epoch, 0)
        if self._refused[0] == epoch:  # else the stream was made anew since
            seq = max(seq, self._refused[1])
        if last or seq:
            async with self.batch(epoch, seq) as bookmark:
                await self._database.transaction(bookmark.move, epoch, seq)

    async def _begin(self) -> None:
        """Check before a stream's first batch whether its acknowledged messages are stored."""
        async with self._beginning:
            if await self._source.epoch() == self._checked:
                return
            epoch, acknowledged = await self._source.acknowledged()
            self._epoch = epoch
            read_to = await self._database.transaction(self._read_to, epoch)
            if acknowledged > read_to:
                why = f"{acknowledged} is acknowledged, and {read_to} is stored"
                await self._begin_again(None, why)
            self._checked = epoch

    async def _read_to(self, connection: asyncpg.Connection, epoch: int) -> int:
        await connection.execute(SQL["drop_old"], self._stream)
        return await connection.fetchval(SQL["read_to"], self._stream, epoch) or 0

    async def _begin_again(self, bookmark: Bookmark | None, why: str) -> None:
        """Have all streams read again, and forget every bookmark."""
        try:
            await self._source.reread_all()
        except ServerUnavailable:
            if bookmark:
                self._free.append(bookmark)  # found again by the next batch
            raise
        self._free.clear()
        log.warning("streams.read_again", stream=self._stream, reason=why)
        metrics.read_again.add(stream=self._stream)
