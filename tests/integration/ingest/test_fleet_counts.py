"""Counts of the whole fleet: places, the worst hosts and the longest outdated, once a minute."""

from collections.abc import AsyncIterator

import asyncpg
import pytest

from imagedrift_ingest.adapters.postgres import connection as postgres
from imagedrift_ingest.adapters.postgres.fleet_counts import FleetCountTables
from imagedrift_ingest.adapters.postgres.maintenance import MaintainedTables
from imagedrift_ingest.commands import forget
from support.ingest import NGINX, Operator
from support.storing import database_of

PLACES = "SELECT place, level, hosts, outdated, silent, outdated_images FROM ops.places ORDER BY 1"
NOT_COUNTED = "DELETE FROM fleet.counted"


@pytest.fixture
async def tables(filled: None, dsn: str) -> AsyncIterator[FleetCountTables]:
    """The tables of two hosts, one of which has an outdated image."""
    async with postgres.pool(dsn, connections=1) as pool:
        yield FleetCountTables(database_of(pool))


@pytest.fixture
async def owner(dsn: str) -> AsyncIterator[asyncpg.Connection]:
    """The database as its owner sees it."""
    opened = await asyncpg.connect(dsn)
    yield opened
    await opened.close()


async def test_places_are_the_same_whether_they_were_counted_or_not(
    tables: FleetCountTables, operator: Operator
) -> None:
    """Before the first count places are counted by whoever asks, and both ways give the same."""
    asked = await operator.ask(PLACES)
    await tables.count_hosts_and_images()
    assert await operator.ask(PLACES) == asked
    assert len(asked) == 5


async def test_a_count_stands_until_the_next_and_tells_its_moment(
    tables: FleetCountTables, operator: Operator, owner: asyncpg.Connection
) -> None:
    """Places keep their counts, and the moment of these, until they are counted again."""
    await tables.count_hosts_and_images()
    [before] = await operator.ask("SELECT * FROM ops.places WHERE place = 'dc1'")
    await owner.execute("UPDATE fleet.hosts SET place = 'dc2' WHERE host = 'web-1'")
    assert await operator.ask("SELECT * FROM ops.places WHERE place = 'dc1'") == [before]
    await tables.count_hosts_and_images()
    [after] = await operator.ask("SELECT * FROM ops.places WHERE place = 'dc1'")
    assert (before["hosts"], after["hosts"]) == (2, 1)
    assert after["counted_at"] > before["counted_at"]
    assert await operator.ask("SELECT FROM ops.places WHERE place = 'dc1/rack-1/web-1'") == []


async def test_counting_writes_nothing_where_nothing_changed(
    tables: FleetCountTables, owner: asyncpg.Connection
) -> None:
    """A place whose counts are the same is not written again."""
    versions = "SELECT array_agg(xmin ORDER BY place) FROM fleet.place_counts"
    await tables.count_hosts_and_images()
    before = await owner.fetchval(versions)
    await tables.count_hosts_and_images()
    assert await owner.fetchval(versions) == before


async def test_the_worst_hosts_are_those_of_all_hosts(
    tables: FleetCountTables, operator: Operator
) -> None:
    """The worst hosts have the counts that all hosts have, and no host without outdated images."""
    await tables.count_hosts_and_images()
    columns = "site, host, hostname, labels, place, images, outdated, unknown, outdated_running"
    worst = await operator.ask(f"SELECT {columns} FROM ops.worst_hosts")
    assert worst == await operator.ask(
        f"SELECT {columns} FROM ops.host_counts WHERE outdated > 0 ORDER BY outdated DESC, host"
    )
    assert [row["host"] for row in worst] == ["web-1", "web-2"]


async def test_the_longest_outdated_come_first(
    tables: FleetCountTables, operator: Operator, owner: asyncpg.Connection
) -> None:
    """The image that has been outdated longest on its host comes first."""
    await owner.execute(
        "UPDATE fleet.comparisons SET verdict_since = verdict_since - interval '2d'"
    )
    await owner.execute(
        "UPDATE fleet.host_images AS i SET since = i.since - interval '1d' FROM fleet.hosts AS h"
        " WHERE h.host_id = i.host_id AND h.host = 'web-2'"
    )
    await tables.count_hosts_and_images()
    found = await operator.ask("SELECT host, reference FROM ops.longest_outdated")
    assert [row["host"] for row in found] == ["web-2", "web-1"]
    assert found == await operator.ask(
        "SELECT host, reference FROM ops.outdated ORDER BY outdated_for DESC"
    )


async def test_what_is_gone_or_current_again_is_left_out_at_once(
    tables: FleetCountTables, dsn: str, operator: Operator, owner: asyncpg.Connection
) -> None:
    """A host that was given up, and an image that is current again, wait for no count."""
    await tables.count_hosts_and_images()
    await forget(dsn, "fra1", "web-1")
    for view in ("worst_hosts", "longest_outdated"):
        assert [r["host"] for r in await operator.ask(f"SELECT host FROM ops.{view}")] == ["web-2"]
    await owner.execute(
        "UPDATE fleet.comparisons SET verdict = 'current', reason = 'digest_match'"
        " WHERE verdict = 'outdated'"
    )
    assert await operator.ask("SELECT FROM ops.longest_outdated") == []


async def test_rows_that_a_long_transaction_keeps_from_vacuum_are_told(
    tables: FleetCountTables, owner: asyncpg.Connection, dsn: str
) -> None:
    """Earlier versions that a reader's snapshot may see are counted until it ends."""
    await tables.count_due()
    await tables.count_hosts_and_images()
    reader = await asyncpg.connect(dsn)
    try:
        async with reader.transaction(isolation="repeatable_read"):
            await reader.fetchval("SELECT count(*) FROM fleet.hosts")
            for _ in range(50):
                await owner.execute("UPDATE fleet.hosts SET hostname = hostname")
            await owner.execute("VACUUM fleet.hosts")
            held = (await tables.figures()).database
    finally:
        await reader.close()
    await owner.execute("VACUUM fleet.hosts")
    after = (await tables.figures()).database

    assert held.dead_rows - after.dead_rows >= 100
    assert after.live_rows > 0
    assert after.transaction_age > 0


@pytest.mark.usefixtures("filled")
async def test_ingest_counts_again_what_a_rebuild_forgets(
    tables: FleetCountTables, dsn: str, operator: Operator
) -> None:
    """An emptied database has no count, and its places are counted by whoever asks."""
    await tables.count_hosts_and_images()
    async with postgres.pool(dsn, connections=1) as pool:
        await MaintainedTables(database_of(pool)).empty()
    assert await operator.ask("SELECT FROM ops.worst_hosts") == []
    assert await operator.ask("SELECT FROM ops.places") == []


async def test_counted_places_are_read_without_the_images(
    tables: FleetCountTables, owner: asyncpg.Connection
) -> None:
    """Once places were counted, whoever asks for them reads no image of any host."""
    await tables.count_hosts_and_images()
    explain = "EXPLAIN (ANALYZE, COSTS OFF, TIMING OFF) SELECT * FROM ops.places"
    lines = [row[0] for row in await owner.fetch(explain)]
    read = [line for line in lines if "host_images" in line and "on host_images" in line]
    assert read
    assert all("never executed" in line for line in read)
    await owner.execute(NOT_COUNTED)
    lines = [row[0] for row in await owner.fetch(explain)]
    assert any("on host_images" in line and "never" not in line for line in lines)


async def test_what_is_kept_of_the_fleet_is_its_summary(
    tables: FleetCountTables, operator: Operator
) -> None:
    """The figures that are kept are those of the summary of that moment."""
    assert await operator.ask("SELECT FROM ops.fleet_counts") == []
    await tables.count_due()
    await tables.count_hosts_and_images()
    [kept] = await operator.ask("SELECT * FROM ops.fleet_counts")
    [summary] = await operator.ask("SELECT * FROM ops.fleet_summary")
    same = kept.keys() - {"counted_at"}
    assert {name: kept[name] for name in same} == {name: summary[name] for name in same}
    assert (kept["hosts"], kept["images"], kept["outdated"]) == (2, 3, 2)


STATES = {
    "well": "",
    "silent": "silent_at = now() - interval '1s', degraded = 'the engine does not answer'",
    "degraded": "degraded = 'the engine does not answer'",
    "degraded, refused": "behind = true",
    "degraded, without images": "content = NULL",
    "degraded, two machines": "boot = 'a', boots_before = '{b}', boot_returns = 2,"
    " boot_returned_at = now()",
    "well, two machines long ago": "boot = 'a', boots_before = '{b}', boot_returns = 2,"
    " boot_returned_at = now() - interval '1 day'",
    "well, one restart": "boot_returns = 1, boot_returned_at = now()",
}


@pytest.mark.parametrize(("state", "change"), STATES.items(), ids=STATES)
async def test_a_host_s_state_is_the_same_as_its_columns_say(
    tables: FleetCountTables,
    operator: Operator,
    owner: asyncpg.Connection,
    state: str,
    change: str,
) -> None:
    """A host is silent, or degraded where it has a reason for it, and is counted and listed so."""
    if change:
        await owner.execute(
            f"UPDATE fleet.host_state SET {change}"
            " WHERE host_id = (SELECT host_id FROM fleet.hosts WHERE host = 'web-1')"
        )
    await tables.count_hosts_and_images()
    [row] = await operator.ask(
        "SELECT state, silent, degraded IS NOT NULL AS degraded FROM ops.hosts WHERE host = 'web-1'"
    )
    word = state.partition(",")[0]
    assert row["state"] == word
    assert word == ("silent" if row["silent"] else "degraded" if row["degraded"] else "well")
    [kept] = await operator.ask("SELECT silent_hosts, degraded_hosts FROM ops.fleet_counts")
    assert kept == {"silent_hosts": word == "silent", "degraded_hosts": word == "degraded"}
    listed = await operator.ask("SELECT host, state FROM ops.troubled_hosts")
    assert listed == ([] if word == "well" else [{"host": "web-1", "state": word}])


async def test_one_process_exports_until_another_takes_over(
    tables: FleetCountTables, dsn: str
) -> None:
    """Each process knows who exports, and for how long; an operator's count changes nothing."""
    async with postgres.pool(dsn, connections=1) as pool:
        other = FleetCountTables(database_of(pool))
        await tables.count_hosts_and_images()
        assert await tables.last_export() is None

        await tables.count_as_exporter()
        ours, theirs = await tables.last_export(), await other.last_export()
        assert ours
        assert theirs
        assert (ours.is_ours, theirs.is_ours) == (True, False)
        assert 0 <= ours.age_s <= theirs.age_s < 60

        await other.count_hosts_and_images()
        assert (await other.last_export() or ours).is_ours is False
        await other.count_as_exporter()
        assert (await tables.last_export() or theirs).is_ours is False


async def test_the_figures_of_metrics_are_those_of_the_views(
    tables: FleetCountTables, dsn: str, operator: Operator, owner: asyncpg.Connection
) -> None:
    """Metrics show what was counted: no single host, and places down to the level that is set."""
    await owner.execute(
        "INSERT INTO fleet.registry_states (registry, credential, observed_at, rate_limit,"
        " rate_remaining) VALUES ('docker.io', 'anonymous', now(), 100, 37)"
    )
    async with postgres.pool(dsn, connections=1) as pool:
        counting = FleetCountTables(database_of(pool), place_levels=2)
        await counting.count_due()
        await counting.count_as_exporter()
        figures = await counting.figures()
    [kept] = await operator.ask("SELECT * FROM ops.fleet_counts")
    assert figures.counted_at == kept["counted_at"].timestamp()
    assert sum(figures.hosts.values()) == kept["hosts"] == 2
    assert sum(figures.images.values()) == kept["images"] == 3
    assert sum(figures.due.values()) == kept["due"] == 2
    assert {name: (each.part, each.whole) for name, each in figures.places.items()} == {
        "dc1": (2, 2)
    }
    assert figures.references == {NGINX: 2}
    assert {name: (each.part, each.whole) for name, each in figures.budgets.items()} == {
        ("docker.io", "anonymous"): (37, 100)
    }


MADE_UP = """
WITH names AS (
  SELECT 'docker.io' AS name
  UNION ALL
  SELECT 'a' || n || '.example' FROM generate_series(1, 200) AS n
), states AS (
  INSERT INTO fleet.registry_states (registry, credential, observed_at, rate_limit, rate_remaining)
  SELECT name, 'anonymous', now(), 100, 37 FROM names
), refs AS (
  INSERT INTO fleet.image_refs (reference, registry, repository, tag, policy)
  SELECT name || '/x:' || n, name, 'x', n::text, 'ask'
  FROM names, generate_series(1, 20) AS n
  WHERE name <> 'docker.io'
  RETURNING ref_id
)
INSERT INTO fleet.answers (ref_id, hosts, weight) SELECT ref_id, 1, 1 FROM refs;
UPDATE fleet.answers SET hosts = 2
WHERE ref_id IN (SELECT ref_id FROM fleet.image_refs WHERE registry = 'docker.io');
"""


async def test_registries_that_one_host_made_up_take_no_place_in_metrics(
    tables: FleetCountTables, operator: Operator, owner: asyncpg.Connection
) -> None:
    """The budget of a registry that several hosts use is in the metrics, whatever one makes up."""
    await owner.execute(MADE_UP)
    await tables.count_due()
    await tables.count_as_exporter()
    figures = await tables.figures()
    assert ("docker.io", "anonymous") in figures.budgets
    [kept] = await operator.ask("SELECT hosts FROM ops.registries WHERE registry = 'docker.io'")
    assert kept["hosts"] == 2
