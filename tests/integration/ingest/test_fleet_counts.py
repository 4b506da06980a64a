"""Counts of the whole fleet: places, the worst hosts and the longest outdated, once a minute."""

from collections.abc import AsyncIterator

import asyncpg
import pytest

from imagedrift_ingest.adapters.postgres import connection as postgres
from imagedrift_ingest.adapters.postgres.maintenance import MaintainedTables
from imagedrift_ingest.commands import forget
from support.ingest import Operator
from support.storing import database_of

PLACES = "SELECT place, level, hosts, outdated, silent, outdated_images FROM ops.places ORDER BY 1"
NOT_COUNTED = "DELETE FROM fleet.counted"


@pytest.fixture
async def tables(filled: None, dsn: str) -> AsyncIterator[MaintainedTables]:
    """The tables of two hosts, one of which has an outdated image."""
    async with postgres.pool(dsn, connections=1) as pool:
        yield MaintainedTables(database_of(pool))


@pytest.fixture
async def owner(dsn: str) -> AsyncIterator[asyncpg.Connection]:
    """The database as its owner sees it."""
    opened = await asyncpg.connect(dsn)
    yield opened
    await opened.close()


async def test_places_are_the_same_whether_they_were_counted_or_not(
    tables: MaintainedTables, operator: Operator
) -> None:
    """Before the first count places are counted by whoever asks, and both ways give the same."""
    asked = await operator.ask(PLACES)
    await tables.count_fleet()
    assert await operator.ask(PLACES) == asked
    assert len(asked) == 5


async def test_a_count_stands_until_the_next_and_tells_its_moment(
    tables: MaintainedTables, operator: Operator, owner: asyncpg.Connection
) -> None:
    """Places keep their counts, and the moment of these, until they are counted again."""
    await tables.count_fleet()
    [before] = await operator.ask("SELECT * FROM ops.places WHERE place = 'dc1'")
    await owner.execute("UPDATE fleet.hosts SET place = 'dc2' WHERE host = 'web-1'")
    assert await operator.ask("SELECT * FROM ops.places WHERE place = 'dc1'") == [before]
    await tables.count_fleet()
    [after] = await operator.ask("SELECT * FROM ops.places WHERE place = 'dc1'")
    assert (before["hosts"], after["hosts"]) == (2, 1)
    assert after["counted_at"] > before["counted_at"]
    assert await operator.ask("SELECT FROM ops.places WHERE place = 'dc1/rack-1/web-1'") == []


async def test_counting_writes_nothing_where_nothing_changed(
    tables: MaintainedTables, owner: asyncpg.Connection
) -> None:
    """A place whose counts are the same is not written again."""
    versions = "SELECT array_agg(xmin ORDER BY place) FROM fleet.place_counts"
    await tables.count_fleet()
    before = await owner.fetchval(versions)
    await tables.count_fleet()
    assert await owner.fetchval(versions) == before


async def test_the_worst_hosts_are_those_of_all_hosts(
    tables: MaintainedTables, operator: Operator
) -> None:
    """The worst hosts have the counts that all hosts have, and no host without outdated images."""
    await tables.count_fleet()
    columns = "site, host, hostname, labels, place, images, outdated, unknown, outdated_running"
    worst = await operator.ask(f"SELECT {columns} FROM ops.worst_hosts")
    assert worst == await operator.ask(
        f"SELECT {columns} FROM ops.host_counts WHERE outdated > 0 ORDER BY outdated DESC, host"
    )
    assert [row["host"] for row in worst] == ["web-1", "web-2"]


async def test_the_longest_outdated_come_first(
    tables: MaintainedTables, operator: Operator, owner: asyncpg.Connection
) -> None:
    """The image that has been outdated longest on its host comes first."""
    await owner.execute(
        "UPDATE fleet.comparisons SET verdict_since = verdict_since - interval '2d'"
    )
    await owner.execute(
        "UPDATE fleet.host_images AS i SET since = i.since - interval '1d' FROM fleet.hosts AS h"
        " WHERE h.host_id = i.host_id AND h.host = 'web-2'"
    )
    await tables.count_fleet()
    found = await operator.ask("SELECT host, reference FROM ops.longest_outdated")
    assert [row["host"] for row in found] == ["web-2", "web-1"]
    assert found == await operator.ask(
        "SELECT host, reference FROM ops.outdated ORDER BY outdated_for DESC"
    )


async def test_what_is_gone_or_current_again_is_left_out_at_once(
    tables: MaintainedTables, dsn: str, operator: Operator, owner: asyncpg.Connection
) -> None:
    """A host that was given up, and an image that is current again, wait for no count."""
    await tables.count_fleet()
    await forget(dsn, "fra1", "web-1")
    for view in ("worst_hosts", "longest_outdated"):
        assert [r["host"] for r in await operator.ask(f"SELECT host FROM ops.{view}")] == ["web-2"]
    await owner.execute(
        "UPDATE fleet.comparisons SET verdict = 'current', reason = 'digest_match'"
        " WHERE verdict = 'outdated'"
    )
    assert await operator.ask("SELECT FROM ops.longest_outdated") == []


@pytest.mark.usefixtures("filled")
async def test_ingest_counts_again_what_a_rebuild_forgets(
    tables: MaintainedTables, operator: Operator
) -> None:
    """An emptied database has no count, and its places are counted by whoever asks."""
    await tables.count_fleet()
    await tables.empty()
    assert await operator.ask("SELECT FROM ops.worst_hosts") == []
    assert await operator.ask("SELECT FROM ops.places") == []


async def test_counted_places_are_read_without_the_images(
    tables: MaintainedTables, owner: asyncpg.Connection
) -> None:
    """Once places were counted, whoever asks for them reads no image of any host."""
    await tables.count_fleet()
    explain = "EXPLAIN (ANALYZE, COSTS OFF, TIMING OFF) SELECT * FROM ops.places"
    lines = [row[0] for row in await owner.fetch(explain)]
    read = [line for line in lines if "host_images" in line and "on host_images" in line]
    assert read
    assert all("never executed" in line for line in read)
    await owner.execute(NOT_COUNTED)
    lines = [row[0] for row in await owner.fetch(explain)]
    assert any("on host_images" in line and "never" not in line for line in lines)
