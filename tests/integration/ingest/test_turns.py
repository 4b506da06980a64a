"""Work that one process does at a time, by rows that no reader can hold."""

import asyncio
from collections.abc import AsyncIterator

import asyncpg
import prometheus_client
import pytest

from imagedrift_ingest.adapters.postgres import connection
from imagedrift_ingest.adapters.postgres.connection import Database
from imagedrift_ingest.adapters.postgres.turns import TURN_CONNECTIONS
from imagedrift_ingest.errors import DatabaseUnavailable
from imagedrift_runtime import metrics
from imagedrift_runtime.clock import now
from imagedrift_runtime.health import Health
from imagedrift_schemas.v1 import Child, Described
from support.ingest import NGINX, digest, image
from support.planning import planning
from support.polling import until
from support.storing import database_of, turns_on
from support.virtual_time import StillClock

WAITS = """
    SELECT bool_or(clock_timestamp() - query_start > interval '1.3 s') FROM pg_stat_activity
    WHERE wait_event_type = 'Lock' AND query LIKE '%fleet.turns%' AND datname = current_database()
"""
UNTIL = "SELECT until FROM fleet.turns WHERE name = 'plan'"


@pytest.fixture
async def database(dsn: str) -> AsyncIterator[Database]:
    """A pool with a few connections."""
    async with connection.pool(dsn, connections=4) as pool:
        yield database_of(pool)


async def quick_work() -> str:
    """Work that takes no time."""
    return "done"


async def test_one_works_at_a_time_and_the_next_one_afterwards(database: Database) -> None:
    """One process has a turn at a time, and the next one afterwards."""
    turns, others = turns_on(database), turns_on(database)
    free, began = asyncio.Event(), asyncio.Event()

    async def long() -> str:
        began.set()
        await free.wait()
        return "long"

    at_work = asyncio.create_task(turns.run("plan", long))
    await began.wait()
    assert await others.run("plan", quick_work) is None
    assert await others.run("announce", quick_work) == "done"
    free.set()
    assert await at_work == "long"
    assert await others.run("plan", quick_work) == "done"


async def test_many_that_want_a_turn_at_once_never_work_at_once(database: Database) -> None:
    """Of many processes that want a turn one gets it."""
    at_work = 0

    async def alone() -> bool:
        nonlocal at_work
        at_work += 1
        assert at_work == 1
        await asyncio.sleep(0)
        at_work -= 1
        return True

    results = await asyncio.gather(*(turns_on(database).run("plan", alone) for _ in range(20)))
    assert any(results)


async def test_the_turn_of_one_that_was_killed_runs_out(database: Database) -> None:
    """The turn of a killed process expires."""
    await database.pool.execute(
        "INSERT INTO fleet.turns VALUES ('plan', gen_random_uuid(), now() + interval '1 minute')"
    )
    assert await turns_on(database).run("plan", quick_work) is None
    await database.pool.execute("UPDATE fleet.turns SET until = now()")
    assert await turns_on(database).run("plan", quick_work) == "done"


async def test_a_turn_that_was_taken_while_the_clock_was_wrong_is_nobodys(
    database: Database,
) -> None:
    """A turn that was taken with a clock ahead does not stop all work."""
    await database.pool.execute(
        "INSERT INTO fleet.turns VALUES ('plan', gen_random_uuid(), now() + interval '1 year')"
    )
    assert await turns_on(database).run("plan", quick_work) == "done"


async def test_work_that_fails_gives_its_turn_back_and_is_counted(database: Database) -> None:
    """Failing work returns its turn and is counted."""
    registry = prometheus_client.CollectorRegistry()
    metrics.enable(registry)
    try:

        async def broken() -> None:
            raise ZeroDivisionError

        with pytest.raises(ZeroDivisionError):
            await turns_on(database).run("plan", broken)
        turn = {"turn": "plan"}
        assert registry.get_sample_value("imagedrift_turn_failures_total", turn) == 1
        done_at = "imagedrift_turn_last_done_timestamp_seconds"
        assert registry.get_sample_value(done_at, turn) == 0
        assert await turns_on(database).run("plan", quick_work) == "done"
        told = registry.get_sample_value(done_at, turn)
    finally:
        metrics.disable()
    row = await database.pool.fetchrow("SELECT extract(epoch FROM done_at) FROM fleet.turns")
    assert row is not None
    assert told == pytest.approx(float(row[0]), abs=1e-3)


class Hanging:
    """Work that never ends by itself."""

    def __init__(self) -> None:
        self.began, self.ended = asyncio.Event(), asyncio.Event()

    async def __call__(self) -> None:
        """Begin, and hang."""
        self.began.set()
        try:
            await asyncio.Event().wait()
        finally:
            self.ended.set()


async def test_work_that_hangs_is_given_up(database: Database) -> None:
    """Work is abandoned after its longest time, and another process may do it at once."""
    hanging = Hanging()
    with pytest.raises(DatabaseUnavailable, match=r"plan: not done in 0\.5 s"):
        await turns_on(database, longest_s=0.5).run("plan", hanging)
    assert hanging.ended.is_set()
    assert await turns_on(database).run("plan", quick_work) == "done"


async def test_a_turn_lasts_as_long_as_its_work(database: Database, dsn: str) -> None:
    """Work that takes several times as long as its turn was taken for is not done by another."""
    free, began = asyncio.Event(), asyncio.Event()
    watcher = await asyncpg.connect(dsn)

    async def long() -> str:
        began.set()
        await free.wait()
        return "long"

    at_work = asyncio.create_task(turns_on(database, lease_s=0.6).run("plan", long))
    await began.wait()
    first = await watcher.fetchval(UNTIL)

    async def is_renewed_often() -> bool:
        assert await turns_on(database).run("plan", quick_work) is None
        return bool((await watcher.fetchval(UNTIL) - first).total_seconds() > 1.8)

    await until(is_renewed_often, what="three times its length have passed")
    free.set()
    assert await at_work == "long"
    assert await turns_on(database).run("plan", quick_work) == "done"
    await watcher.close()


async def test_a_turn_that_was_taken_slowly_is_renewed_at_once(
    database: Database, dsn: str
) -> None:
    """Work begins late in its lease where the row was locked, and is not abandoned for that."""
    free, began = asyncio.Event(), asyncio.Event()
    other, watcher = await asyncpg.connect(dsn), await asyncpg.connect(dsn)
    await turns_on(database).run("plan", quick_work)

    async def long() -> str:
        began.set()
        await free.wait()
        return "long"

    async with other.transaction():
        await other.execute("SELECT FROM fleet.turns FOR UPDATE")
        at_work = asyncio.create_task(turns_on(database, lease_s=2.0).run("plan", long))
        await until(lambda: watcher.fetchval(WAITS), what="it waits for half of its lease")
    await began.wait()
    first = await watcher.fetchval(UNTIL)

    async def is_renewed() -> bool:
        return bool((await watcher.fetchval(UNTIL) - first).total_seconds() > 2)

    await until(is_renewed, what="the lease passes once more")
    free.set()
    assert await at_work == "long"
    await other.close()
    await watcher.close()


async def test_a_turn_is_renewed_while_a_statement_of_its_work_runs(dsn: str) -> None:
    """The smallest pool of a command renews a turn beside a statement longer than its lease."""
    other, watcher = await asyncpg.connect(dsn), await asyncpg.connect(dsn)
    await other.execute("SELECT pg_advisory_lock(7)")
    async with connection.pool(dsn, connections=TURN_CONNECTIONS) as pool:
        database = database_of(pool)
        turns = turns_on(database, lease_s=1.0)
        await turns.run("plan", quick_work)
        first = await watcher.fetchval(UNTIL)
        at_work = asyncio.create_task(
            turns.run("plan", lambda: database.execute("SELECT pg_advisory_lock(7)"))
        )

        async def is_over_or_renewed() -> bool:
            return at_work.done() or (await watcher.fetchval(UNTIL) - first).total_seconds() > 2

        await until(is_over_or_renewed, what="the lease passes once more")
        await other.execute("SELECT pg_advisory_unlock(7)")
        assert await at_work == 1
    await other.close()
    await watcher.close()


async def test_work_ends_before_a_turn_that_cannot_be_renewed(database: Database, dsn: str) -> None:
    """While its row cannot be written, work is abandoned before another process can take it."""
    hanging, other = Hanging(), await asyncpg.connect(dsn)
    at_work = asyncio.create_task(turns_on(database, lease_s=1.0).run("plan", hanging))
    await hanging.began.wait()
    async with other.transaction():
        await other.execute("SELECT FROM fleet.turns FOR UPDATE")
        await asyncio.wait_for(hanging.ended.wait(), 5)
        left = await other.fetchval("SELECT until > clock_timestamp() FROM fleet.turns")
    assert left
    with pytest.raises(DatabaseUnavailable, match="plan: its turn could not be kept"):
        await at_work
    await other.close()


async def test_work_ends_when_another_has_its_turn(database: Database) -> None:
    """A process whose turn is another's, as after a restore, ends its work."""
    hanging = Hanging()
    at_work = asyncio.create_task(turns_on(database, lease_s=1.0).run("plan", hanging))
    await hanging.began.wait()
    await database.pool.execute(
        "UPDATE fleet.turns SET holder = gen_random_uuid(), until = now() + interval '1 minute'"
    )
    await asyncio.wait_for(hanging.ended.wait(), 5)
    with pytest.raises(DatabaseUnavailable, match="plan: its turn could not be kept"):
        await at_work
    assert await turns_on(database).run("plan", quick_work) is None


async def test_a_late_end_leaves_anothers_turn_alone(database: Database) -> None:
    """A late end does not release the turn of another process."""
    turns = turns_on(database)

    async def overtaken() -> None:
        await database.pool.execute(
            "UPDATE fleet.turns SET holder = gen_random_uuid(), until = now() + interval '1 minute'"
        )

    await turns.run("plan", overtaken)
    assert await turns.run("plan", quick_work) is None


async def test_no_reader_can_keep_anybody_from_working(database: Database, dsn: str) -> None:
    """A reader of the views can take no turn, and locks that any login may take are none."""
    await turns_on(database).run("plan", quick_work)
    reader = await asyncpg.connect(dsn)
    try:
        await reader.execute("SET ROLE imagedrift_operator")
        for taking in (
            "SELECT * FROM fleet.turns FOR UPDATE",
            "SELECT * FROM fleet.turns FOR KEY SHARE",
            "LOCK TABLE fleet.turns IN ACCESS SHARE MODE",
        ):
            with pytest.raises(asyncpg.InsufficientPrivilegeError):
                async with reader.transaction():
                    await reader.execute(taking)
        await reader.execute("RESET ROLE")
        for number in range(1768780135, 1768780138):
            await reader.execute("SELECT pg_advisory_lock($1)", number)
        assert await turns_on(database).run("plan", quick_work) == "done"
    finally:
        await reader.close()


async def test_no_reader_can_keep_answers_from_being_stored(dsn: str) -> None:
    """A reader of the views cannot lock a digest."""
    async with planning(dsn, outstanding=10) as planned:
        reader = await asyncpg.connect(dsn)
        try:
            taken = "SELECT pg_advisory_lock(hashtextextended($1, 1768780135))"
            await reader.execute(taken, digest((NGINX, 1)))
            await reader.execute("SET ROLE imagedrift_operator")
            await planned.has("web-1", image())
            async with asyncio.timeout(4):
                await planned.answered(NGINX, 1)
            assert await reader.fetchval("SELECT remote_digest FROM ops.images") == digest(
                (NGINX, 1)
            )
        finally:
            await reader.close()


async def test_an_answer_and_a_description_of_its_digest_find_each_other(dsn: str) -> None:
    """An answer and a description that are stored at once are both in the verdict."""
    async with planning(dsn, outstanding=10) as one, planning(dsn, outstanding=10) as other:
        for number in range(20):
            reference = f"docker.io/library/app{number}:1"
            mine = image(reference)
            await one.has(f"web-{number}", mine)
            child = Child(platform="linux/amd64", digest=digest(1), config_digest=mine.image_id)
            told = Described(
                registry="docker.io",
                repository=f"library/app{number}",
                digest=digest((reference, 2)),
                checked_at=now(),
                children=(child,),
            )
            await asyncio.gather(one.answered(reference, 2), other.described(told))
        reasons = await one.database.pool.fetch("SELECT DISTINCT reason FROM ops.comparisons")
        assert [row["reason"] for row in reasons] == ["platform_match"]


async def test_a_process_whose_own_work_fails_for_a_minute_is_not_ready(
    database: Database,
) -> None:
    """A process whose work fails for a minute is not ready."""
    health, clock = Health(), StillClock()
    turns = turns_on(database, health, clock)

    async def broken() -> None:
        raise DatabaseUnavailable("NATS hangs")

    for clock.at, ready in ((0.0, True), (60.0, False)):
        with pytest.raises(DatabaseUnavailable):
            await turns.run("plan", broken)
        assert health.is_ready is ready
    assert health.parts()["plan"].reason == "it fails: DatabaseUnavailable: NATS hangs"
    await turns.run("plan", quick_work)
    assert health.is_ready
