"""Maintenance, and rebuilding the database from NATS."""

from collections.abc import AsyncIterator

import asyncpg
import pytest

from imagedrift_ingest.adapters.postgres import connection as postgres
from imagedrift_ingest.commands import maintain
from imagedrift_ingest.core.retention import Retention
from imagedrift_sandbox.nats import NatsServer
from support.ingest import NGINX, NOW, REDIS, Fleet, Operator, image, ingest
from support.polling import until
from support.storing import database_of, maintain_on


@pytest.fixture
async def connection(dsn: str) -> AsyncIterator[asyncpg.Connection]:
    """The database as its owner sees it."""
    opened = await asyncpg.connect(dsn)
    yield opened
    await opened.close()


@pytest.mark.usefixtures("filled")
async def test_the_trend_is_kept_once_per_five_minutes(dsn: str, operator: Operator) -> None:
    """The trend has one row per five minutes, equal to the summary."""
    assert (await maintain(dsn)).done["trend_taken"] == 1
    assert (await maintain(dsn)).done["trend_taken"] == 0
    [row] = await operator.ask("SELECT * FROM ops.trend")
    [summary] = await operator.ask("SELECT * FROM ops.fleet_summary")
    assert row["taken_at"].timestamp() % 300 == 0
    kept = summary.keys() - {"as_of", "due_as_of"}
    assert {name: row[name] for name in kept} == {name: summary[name] for name in kept}
    assert (row["hosts"], row["images"], row["outdated"], row["current"]) == (2, 3, 2, 1)


@pytest.mark.usefixtures("filled")
async def test_a_host_that_is_silent_for_long_is_retired_and_counts_again_when_it_speaks(
    dsn: str,
    fresh_nats: NatsServer,
    agents: Fleet,
    operator: Operator,
    connection: asyncpg.Connection,
) -> None:
    """A host that is silent for long is retired, until it reports again."""
    await connection.execute(
        "UPDATE fleet.host_state SET last_seen_at = NOW() - '40 days'::interval,"
        " silent_at = now() - '40 days'::interval"
        " WHERE host_id = (SELECT host_id FROM fleet.hosts WHERE host = 'web-1')"
    )
    [silent] = await operator.ask("SELECT host FROM ops.hosts WHERE silent")
    assert silent == {"host": "web-1"}

    assert (await maintain(dsn)).done["hosts_retired"] == 1
    assert (await maintain(dsn)).done["hosts_retired"] == 0
    assert [row["host"] for row in await operator.ask("SELECT * FROM ops.hosts")] == ["web-2"]
    assert {row["host"] for row in await operator.ask("SELECT * FROM ops.comparisons")} == {"web-2"}

    async with ingest(dsn, fresh_nats.url):
        await agents.has("web-1", image(running=1), image(REDIS))
        await operator.sees(REDIS, host="web-1", verdict="current")
    assert len(await operator.ask("SELECT * FROM ops.hosts")) == 2


@pytest.mark.usefixtures("filled")
async def test_what_nobody_has_is_removed_after_the_history_that_names_it(
    dsn: str,
    fresh_nats: NatsServer,
    agents: Fleet,
    operator: Operator,
    connection: asyncpg.Connection,
) -> None:
    """An image without hosts is removed with its reference after the history's time."""
    async with ingest(dsn, fresh_nats.url):
        await agents.has("web-1", image(running=1))

        async def is_gone() -> bool:
            return not await operator.comparisons(REDIS)

        await until(is_gone, what="the image is gone")
    assert (await maintain(dsn)).done["images_dropped"] == 0
    marked = "SELECT count(*) FROM fleet.comparisons WHERE unused_since IS NOT NULL"
    assert await connection.fetchval(marked) == 1, "by this, or by the maintenance of ingest itself"
    [change] = await operator.ask("SELECT * FROM ops.host_history")
    assert (change["reference"], change["new_digests"]) == (REDIS, None)

    await connection.execute(
        "UPDATE fleet.comparisons SET unused_since = unused_since - '2 years'::interval"
    )
    await connection.execute(
        "UPDATE fleet.image_refs SET first_seen_at = first_seen_at - '2 years'::interval"
    )
    await connection.execute(
        "UPDATE fleet.answers SET attempted_at = attempted_at - '2 years'::interval"
    )
    done = (await maintain(dsn)).done
    assert (done["images_dropped"], done["references_dropped"]) == (1, 1)
    left = await connection.fetch("SELECT reference FROM fleet.image_refs")
    assert [row["reference"] for row in left] == [NGINX]


async def test_months_are_made_ahead_and_dropped_after_their_retention(
    dsn: str, connection: asyncpg.Connection
) -> None:
    """Partitions of months are made ahead, and dropped after their retention."""
    await connection.execute(
        """CREATE TABLE fleet.host_changes_202001 PARTITION OF fleet.host_changes
             FOR VALUES FROM ('2020-01-01Z') TO ('2020-02-01Z')"""
    )
    insert = """INSERT INTO fleet.host_changes (occurred_at, host_id, ref_id, new_comparison_id)
                  VALUES ($1::timestamptz, 1, 1, 1)"""
    far = await connection.fetchval("SELECT now() + '3 months'::interval")
    await connection.execute(insert, far)
    await connection.execute(insert, NOW.replace(year=2020, month=1))
    assert await connection.fetchval("SELECT count(*) FROM fleet.host_changes_default") == 1

    done = (await maintain(dsn, Retention(history=400))).done
    assert (done["months_made"], done["months_dropped"]) == (0, 1)
    assert await connection.fetchval("SELECT fleet.make_months(4)") == 2
    assert await connection.fetchval("SELECT count(*) FROM fleet.host_changes_default") == 0
    assert await connection.fetchval("SELECT occurred_at FROM fleet.host_changes") == far


@pytest.mark.usefixtures("filled")
async def test_maintenance_is_done_by_one_replica_at_a_time(
    dsn: str, connection: asyncpg.Connection
) -> None:
    """Maintenance is done by one replica at a time."""
    async with postgres.pool(dsn, connections=1) as pool:
        maintenance = maintain_on(database_of(pool))
        await connection.execute(
            "INSERT INTO fleet.turns (name, holder, until)"
            " VALUES ('take_trend', gen_random_uuid(), now() + '1 hour'::interval)"
        )
        assert await maintenance.take_trend() == 0
        await connection.execute("UPDATE fleet.turns SET until = now()")
        assert await maintenance.take_trend() == 1


async def test_places_are_rolled_up_at_each_level(filled: None, operator: Operator) -> None:
    """Places have one row per level, with hosts, outdated and silent ones."""
    rows = await operator.ask("SELECT * FROM ops.places ORDER BY place")
    assert [(row["place"], row["level"], row["hosts"], row["outdated"]) for row in rows] == [
        ("dc1", 1, 2, 2),
        ("dc1/rack-1", 2, 1, 1),
        ("dc1/rack-1/web-1", 3, 1, 1),
        ("dc1/rack-2", 2, 1, 1),
        ("dc1/rack-2/web-2", 3, 1, 1),
    ]
    assert all(row["silent"] == 0 for row in rows)


async def test_a_table_that_has_doubled_gets_statistics_anew(dsn: str) -> None:
    """A table that has doubled is analyzed again."""
    async with postgres.pool(dsn, connections=1) as pool:
        maintenance = maintain_on(database_of(pool))
        while await maintenance.analyze_grown():
            pass
        await pool.execute(
            "INSERT INTO fleet.hosts (site, host) SELECT 'fra1', 'h' || n"
            " FROM generate_series(1, 900) AS n"
        )
        await pool.execute("SELECT pg_stat_force_next_flush()")
        assert await maintenance.analyze_grown() == 1
        size = "SELECT reltuples FROM pg_class WHERE oid = 'fleet.hosts'::regclass"
        assert await pool.fetchval(size) == 900
        assert await maintenance.analyze_grown() == 0
