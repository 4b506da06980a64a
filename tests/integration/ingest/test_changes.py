"""The change feed: what was committed is published, once, and nothing else."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

import asyncpg
import pytest

from imagedrift_ingest.adapters.jetstream.publishers import ChangePublisher
from imagedrift_ingest.adapters.postgres import connection as postgres
from imagedrift_ingest.adapters.postgres.outbox import OutboxTable
from imagedrift_ingest.core.outbox import OutboxEntry
from imagedrift_ingest.usecases.announce import Announce
from imagedrift_sandbox.nats import NatsServer
from imagedrift_schemas import codec, subjects
from imagedrift_schemas.v1 import Changed, Denied, Unreachable
from support.ingest import NGINX, Fleet, Operator, answer, digest, image, ingest
from support.nats_client import jetstream
from support.polling import until
from support.storing import database_of, turns_on

Publish = Callable[[Sequence[OutboxEntry]], Awaitable[list[int]]]
"""Publishes changes; the ids of those that are stored."""


async def changes(agents: Fleet) -> list[Changed]:
    """Everything in the stream of changes."""
    js = jetstream(agents.bus)
    state = (await js.stream_info(subjects.STREAM_CHANGED)).state
    places = range(state.first_seq or 1, state.last_seq + 1)
    stored = [await js.get_msg(subjects.STREAM_CHANGED, place) for place in places]
    return [codec.decode(message.data, Changed) for message in stored]


async def test_a_moved_tag_is_told_once_for_all_its_hosts(
    dsn: str, fresh_nats: NatsServer, agents: Fleet, operator: Operator
) -> None:
    """A moved tag publishes one change for all its hosts."""
    async with ingest(dsn, fresh_nats.url):
        for number in range(3):
            await agents.has(f"web-{number}", image(running=int(number > 0)))
        await agents.answers(answer(version=1))
        await operator.sees(NGINX, verdict="current")
        await until(lambda: operator.ask("SELECT FROM ops.hosts OFFSET 2"), what="three hosts")
        await agents.answers(answer(version=2))

        async def read_changes() -> list[Changed]:
            return [c for c in await changes(agents) if c.to_verdict == "outdated"]

        [change] = await until(read_changes, what="the change")

    assert (change.registry, change.repository, change.tag) == (
        "docker.io",
        "library/nginx",
        "1.27",
    )
    assert (change.from_verdict, change.from_reason) == ("current", "digest_match")
    assert (change.to_reason, change.remote_digest) == ("digest_differs", digest((NGINX, 2)))
    assert (change.hosts, change.running_hosts) == (3, 2)


async def test_a_change_of_the_reason_alone_is_not_told(
    dsn: str, fresh_nats: NatsServer, agents: Fleet, operator: Operator
) -> None:
    """A change of the reason alone is not published (messages.md)."""
    async with ingest(dsn, fresh_nats.url):
        await agents.has("web-1", image())
        await operator.sees(NGINX, verdict="unknown", reason="not_checked")
        for outcome, reason in ((Unreachable(), "unreachable"), (Denied(), "denied")):
            await agents.answers(answer(outcome=outcome))
            await operator.sees(NGINX, verdict="unknown", reason=reason)
        await agents.answers(answer(version=1))
        [change] = await until(lambda: changes(agents), what="the first change")

    assert (change.from_verdict, change.from_reason) == ("unknown", "denied")
    assert (change.to_verdict, change.to_reason) == ("current", "digest_match")


async def test_the_first_verdict_of_an_image_is_not_told(
    dsn: str, fresh_nats: NatsServer, agents: Fleet, operator: Operator
) -> None:
    """The first verdict of an image is not published (messages.md)."""
    async with ingest(dsn, fresh_nats.url):
        await agents.has("web-1", image(version=2))
        await operator.sees(NGINX, verdict="unknown")
        await agents.answers(answer(version=2))
        await until(lambda: changes(agents), what="the first change")
        await agents.has("web-2", image(version=1))
        await operator.sees(NGINX, verdict="outdated")
        await agents.answers(answer(version=3))

        async def all_told() -> list[Changed]:
            read_changes = await changes(agents)
            return read_changes if len(read_changes) == 2 else []

        read_changes = await until(all_told, what="the change of the other image")

    assert [change.to_verdict for change in read_changes] == ["current", "outdated"]
    assert {change.image_id for change in read_changes} == {image(version=2).image_id}


class Publishes:
    """Publishes as a test says."""

    def __init__(self, publish: Publish) -> None:
        self._publish = publish

    async def publish(self, entries: Sequence[OutboxEntry]) -> list[int]:
        """Publish."""
        return await self._publish(entries)


async def announce_by(pool: "asyncpg.Pool[asyncpg.Record]", publish: Publish) -> None:
    """Announce what waits, as a process of its own does."""
    database = database_of(pool)
    outbox, publisher = OutboxTable(database), Publishes(publish)
    await Announce(outbox, publisher, turns_on(database), asyncio.Event()).run()


async def waiting(dsn: str) -> int:
    """How many changes are in the outbox."""
    connection = await asyncpg.connect(dsn)
    try:
        return int(await connection.fetchval("SELECT count(*) FROM fleet.outbox"))
    finally:
        await connection.close()


@pytest.fixture
async def unpublished(dsn: str, fresh_nats: NatsServer, agents: Fleet, operator: Operator) -> None:
    """A committed change that nobody has published: the stream was away meanwhile."""
    await jetstream(agents.bus).delete_stream(subjects.STREAM_CHANGED)
    async with ingest(dsn, fresh_nats.url):
        await agents.has("web-1", image())
        await operator.sees(NGINX, verdict="unknown")
        await agents.answers(answer(version=1))
        await operator.sees(NGINX, verdict="current")
    assert await waiting(dsn) == 1
    from imagedrift_runtime.nats import provision

    await provision.ensure(agents.bus)


@pytest.mark.usefixtures("unpublished")
async def test_a_crash_between_publishing_and_committing_publishes_no_second_copy(
    dsn: str, agents: Fleet
) -> None:
    """A change that is published twice after a crash is stored once."""
    publisher = ChangePublisher(agents.bus)

    async def crash(entries: Sequence[OutboxEntry]) -> list[int]:
        await publisher.publish(entries)
        raise ConnectionAbortedError

    async with postgres.pool(dsn, connections=1) as pool:
        with pytest.raises(ConnectionAbortedError):
            await announce_by(pool, crash)
        assert await waiting(dsn) == 1
        await announce_by(pool, publisher.publish)

    assert await waiting(dsn) == 0
    assert len(await changes(agents)) == 1


@pytest.mark.usefixtures("unpublished")
async def test_what_nats_did_not_store_stays(dsn: str) -> None:
    """A change that NATS did not store stays in the outbox."""

    async def refuse(entries: Sequence[OutboxEntry]) -> list[int]:
        return []

    async with postgres.pool(dsn, connections=1) as pool:
        await announce_by(pool, refuse)
    assert await waiting(dsn) == 1


@pytest.mark.usefixtures("unpublished")
async def test_one_replica_publishes_at_a_time(dsn: str) -> None:
    """One replica publishes at a time, and nothing is locked meanwhile."""
    entered, leave = asyncio.Event(), asyncio.Event()

    async def slow(entries: Sequence[OutboxEntry]) -> list[int]:
        entered.set()
        await leave.wait()
        return [entry.change_id for entry in entries]

    async def never(entries: Sequence[OutboxEntry]) -> Any:
        raise AssertionError("published twice")

    async with postgres.pool(dsn, connections=2) as pool:
        first = asyncio.create_task(announce_by(pool, slow))
        await entered.wait()
        await announce_by(pool, never)
        held = """
            SELECT count(*) FROM pg_stat_activity
            WHERE state LIKE 'idle in transaction%' AND datname = current_database()
        """
        assert await pool.fetchval(held) == 0
        leave.set()
        await first
    assert await waiting(dsn) == 0


async def test_a_change_that_is_rolled_back_is_not_published(dsn: str, agents: Fleet) -> None:
    """A change that is rolled back is not published."""
    from imagedrift_ingest.adapters.postgres.answers import SQL

    async with postgres.pool(dsn, connections=2) as pool:
        await pool.execute(
            f"""
            INSERT INTO fleet.image_refs (ref_id, reference, registry, repository, tag, policy)
              VALUES (1, 'r.io/a:1', 'r.io', 'a', '1', 'ask');
            INSERT INTO fleet.comparisons (comparison_id, ref_id, image_id, repo_digests, platform,
                verdict, reason, verdict_since)
              VALUES (1, 1, '{digest(1)}', '{{}}', 'linux/amd64', 'unknown', 'not_checked', now())
            """
        )
        async with pool.acquire() as connection:
            transaction = connection.transaction()
            await transaction.start()
            row = ([1], ["missing"], ["not_found"], ["unknown"], ["not_checked"], [None], [None])
            await connection.execute(SQL["judge"], *row)
            assert await connection.fetchval("SELECT count(*) FROM fleet.outbox") == 1
            await announce_by(pool, ChangePublisher(agents.bus).publish)
            await transaction.rollback()
        await announce_by(pool, ChangePublisher(agents.bus).publish)
    assert await changes(agents) == []
