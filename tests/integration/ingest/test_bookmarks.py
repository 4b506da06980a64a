"""Bookmarks: a database that lacks what was acknowledged is found out, whoever is at work."""

import asyncio
from collections.abc import AsyncIterator

import asyncpg
import pytest

from imagedrift_ingest.adapters.postgres import connection
from imagedrift_ingest.adapters.postgres.bookmarks import Bookmark, Bookmarks
from imagedrift_ingest.errors import DatabaseUnavailable, ServerUnavailable, StreamUnavailable
from imagedrift_ingest.usecases.store.batches import note_refusals
from imagedrift_runtime.nats.delivery import Delivery
from imagedrift_runtime.nats.outcomes import HandlerOutcome, Reject, Retry
from support.ingest import NOW
from support.storing import database_of

STREAM = "S"


def delivered(seq: int) -> Delivery:
    """A message of the stream."""
    return Delivery(
        subject="s", payload=b"", stream=STREAM, stream_seq=seq, deliveries=1, stored_at=NOW
    )


class Reader:
    """A process that reads a stream."""

    def __init__(
        self, pool: "asyncpg.Pool[asyncpg.Record]", epoch: int = 1, acknowledged: int = 0
    ) -> None:
        self.pool = pool
        self.read_again = 0
        self.nats_away = False
        self.place = epoch, acknowledged
        self.database = database_of(pool)
        self.bookmarks = Bookmarks(self.database, STREAM, self)

    async def epoch(self) -> int:
        """When the stream was made."""
        return self.place[0]

    async def acknowledged(self) -> tuple[int, int]:
        """How far the stream is acknowledged."""
        return self.place

    async def reread_all(self) -> None:
        """Count how often all is read again."""
        if self.nats_away:
            raise StreamUnavailable("no NATS")
        self.read_again += 1

    async def stores(self, seq: int) -> bool:
        """Store a batch and return whether it was stored."""
        try:
            await self.stores_in(1, seq)
        except ServerUnavailable:
            return False
        return True

    async def stores_in(self, epoch: int, seq: int) -> None:
        """Store a batch of an epoch."""
        async with self.bookmarks.batch(epoch, seq) as bookmark:
            await self.database.transaction(bookmark.move, epoch, seq)


@pytest.fixture
async def reader(dsn: str) -> AsyncIterator[Reader]:
    """A process at work."""
    async with connection.pool(dsn, connections=4) as pool:
        yield Reader(pool)


KEEP = "CREATE TABLE public.kept AS SELECT * FROM fleet.bookmarks"
BACK = """
    DELETE FROM fleet.bookmarks;
    INSERT INTO fleet.bookmarks SELECT * FROM public.kept
"""


async def test_a_database_taken_back_is_found_by_the_next_batch(reader: Reader) -> None:
    """The next batch finds a database that was restored."""
    assert await reader.stores(1)
    await reader.pool.execute(KEEP)
    assert await reader.stores(2)
    await reader.pool.execute(BACK)
    assert not await reader.stores(3)
    assert reader.read_again == 1
    assert await reader.stores(1)
    assert reader.read_again == 1


@pytest.mark.parametrize("harm", [BACK, "DELETE FROM fleet.bookmarks"])
async def test_a_database_taken_back_is_found_without_a_batch(reader: Reader, harm: str) -> None:
    """A restored database is found in a quiet fleet, too."""
    await reader.bookmarks.look()
    assert await reader.stores(1)
    await reader.pool.execute(KEEP)
    assert await reader.stores(2)
    await reader.bookmarks.look()
    assert reader.read_again == 0
    await reader.pool.execute(harm)
    with pytest.raises(DatabaseUnavailable):
        await reader.bookmarks.look()
    assert reader.read_again == 1


async def test_nothing_is_stored_before_all_is_read_again(reader: Reader) -> None:
    """Nothing is stored in a restored database before all streams are read again."""
    assert await reader.stores(2)
    await reader.pool.execute("DELETE FROM fleet.bookmarks")
    reader.nats_away = True
    assert [await reader.stores(seq) for seq in (3, 4)] == [False, False]
    reader.nats_away = False
    assert not await reader.stores(5)
    assert reader.read_again == 1
    assert await reader.stores(6)


async def test_a_batch_of_which_it_is_not_known_whether_it_is_stored_is_no_sign(
    reader: Reader,
) -> None:
    """A connection that breaks after the commit does not look like a restore."""
    assert await reader.stores(1)
    await reader.pool.execute("UPDATE fleet.bookmarks SET turn = turn + 1")
    assert await reader.stores(2)
    assert reader.read_again == 0


async def test_batches_at_the_same_time_do_not_wait_for_each_other(reader: Reader) -> None:
    """Batches at the same time have a bookmark each."""
    meeting = asyncio.Barrier(3)

    async def store(seq: int) -> None:
        async with reader.bookmarks.batch(1, seq) as bookmark:
            await reader.database.transaction(meet, bookmark, seq)

    async def meet(connection: asyncpg.Connection, bookmark: Bookmark, seq: int) -> None:
        await bookmark.move(connection, 1, seq)
        async with asyncio.timeout(10):
            await meeting.wait()

    for first in (1, 4):
        await asyncio.gather(*(store(first + n) for n in range(3)))
    rows = await reader.pool.fetch("SELECT turn, seq FROM fleet.bookmarks ORDER BY seq")
    assert [tuple(row) for row in rows] == [(2, 4), (2, 5), (2, 6)]


@pytest.mark.parametrize(
    ("acknowledged", "epoch", "again"), [(7, 1, 0), (8, 1, 1), (1, 2, 1), (0, 2, 0)]
)
async def test_a_process_that_starts_compares_what_is_acknowledged(
    reader: Reader, acknowledged: int, epoch: int, again: int
) -> None:
    """At its start ingest finds acknowledged messages without a bookmark."""
    assert await reader.stores(7)
    assert await reader.stores(3)
    starting = Reader(reader.pool, epoch, acknowledged)
    await starting.bookmarks.look()
    assert starting.read_again == again
    working = Reader(reader.pool, epoch, acknowledged)
    assert await working.stores(99)
    assert working.read_again == again
    await working.bookmarks.look()
    assert working.read_again == again


@pytest.mark.parametrize(("acknowledged", "again"), [(0, 0), (7, 1)])
@pytest.mark.parametrize("by_batch", [True, False])
async def test_a_stream_made_anew_at_work_is_compared_once(
    reader: Reader, acknowledged: int, again: int, *, by_batch: bool
) -> None:
    """A stream restored from a backup has acknowledged what a restored database may lack."""
    assert await reader.stores(7)
    reader.place = 2, acknowledged
    for _ in range(2):
        await (reader.stores_in(2, 8) if by_batch else reader.bookmarks.look())
    assert reader.read_again == again


@pytest.mark.parametrize("stored_first", [True, False])
async def test_messages_that_were_all_refused_are_no_sign_at_the_next_start(
    reader: Reader, *, stored_first: bool
) -> None:
    """Messages that were all refused do not look like a restore at the next start."""
    outcomes: list[HandlerOutcome] = [Reject("malformed"), Reject("malformed"), Retry("later")]
    if stored_first:
        assert await reader.stores(7)
    await reader.bookmarks.look()
    note_refusals(reader.bookmarks, [delivered(seq) for seq in (8, 9, 10)], outcomes)
    await reader.bookmarks.look()

    for acknowledged, again in ((9, 0), (10, 1)):
        starting = Reader(reader.pool, acknowledged=acknowledged)
        await starting.bookmarks.look()
        assert starting.read_again == again


async def test_what_was_refused_of_a_stream_that_is_no_more_is_not_noted_of_the_next(
    reader: Reader,
) -> None:
    """A refusal in a deleted stream is not noted for the next one."""
    assert await reader.stores(7)
    reader.bookmarks.note_refused(900)
    reader.place = 2, 0
    await reader.stores_in(2, 1)
    await reader.bookmarks.look()

    starting = Reader(reader.pool, epoch=2, acknowledged=2)
    await starting.bookmarks.look()
    assert starting.read_again == 1


async def test_bookmarks_of_processes_long_gone_are_dropped(reader: Reader) -> None:
    """Old bookmarks are removed, except for the last one."""
    for seq in (5, 9, 7):
        assert await Reader(reader.pool).stores(seq)
    await reader.pool.execute("UPDATE fleet.bookmarks SET noted_at = now() - interval '8 days'")
    assert await reader.stores(6)
    await Reader(reader.pool).bookmarks.look()
    rows = await reader.pool.fetch("SELECT seq FROM fleet.bookmarks ORDER BY seq")
    assert [row["seq"] for row in rows] == [6, 9]
