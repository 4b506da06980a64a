"""How an operator's questions are answered: through which indexes, and what they leave unread."""

import asyncpg
import pytest

from imagedrift_ingest.adapters.postgres.statements import load
from imagedrift_runtime.clock import now
from support.plans import FLEET, HOST, REFERENCE, plan, scanned


@pytest.mark.parametrize(
    ("sql", "index"),
    [
        (f"SELECT * FROM ops.outdated WHERE {HOST}", "host_images_pkey"),
        (f"SELECT * FROM ops.hosts WHERE {HOST}", "hosts_"),
        (f"SELECT * FROM ops.comparisons WHERE {HOST} AND {REFERENCE}", "image_refs_reference_key"),
        (
            f"SELECT host FROM ops.outdated WHERE {REFERENCE} LIMIT 100",
            "host_images_comparison_idx",
        ),
        (f"SELECT * FROM ops.tag_history WHERE {REFERENCE}", "remote_history_pkey"),
        (f"SELECT * FROM ops.host_history WHERE {HOST}", "host_changes_"),
    ],
)
async def test_a_question_about_one_thing_reads_no_whole_table(
    fleet_dsn: str, sql: str, index: str
) -> None:
    """A query about one host or image reads no whole table."""
    found = await plan(fleet_dsn, sql)
    assert index in found
    assert not scanned(found) & {"host_images", "hosts", "host_state"}


async def test_who_has_a_digest_is_found_by_the_digest(fleet_dsn: str) -> None:
    """The hosts with a digest are found by indexes."""
    sql = "SELECT host FROM ops.comparisons WHERE local_digests @> ARRAY[$1]"
    found = await plan(fleet_dsn, sql, FLEET.digest(3, 1))
    assert "comparisons_digests_idx" in found
    assert "host_images_comparison_idx" in found
    assert "host_images" not in scanned(found)


@pytest.mark.parametrize("view", ["fleet_summary", "images"])
async def test_the_whole_fleet_is_counted_without_its_hosts_images(
    fleet_dsn: str, view: str
) -> None:
    """The summary of the fleet reads kept counts, and not all images of all hosts."""
    found = await plan(fleet_dsn, f"SELECT * FROM ops.{view}")
    assert "usage_totals" in found
    assert "host_images" not in found.replace("host_images_shared_idx on host_images", "")


async def test_whether_the_new_image_is_there_is_looked_up_for_each_row(fleet_dsn: str) -> None:
    """Whether a container is recreated only is known without all current images of the fleet."""
    found = await plan(fleet_dsn, "SELECT host, recreate_only FROM ops.outdated LIMIT 100")
    assert "on host_images other" in found
    assert "Seq Scan on host_images other" not in found


async def test_columns_that_are_not_asked_for_are_not_joined(fleet_dsn: str) -> None:
    """Columns that a query does not select cause no join."""
    sql = "SELECT reference, count(*) FROM ops.outdated GROUP BY reference"
    found = await plan(fleet_dsn, sql)
    assert " hosts " not in found
    assert " answers " not in found


async def test_a_heartbeat_touches_no_index(fleet_dsn: str) -> None:
    """A heartbeat's update changes no index."""
    connection = await asyncpg.connect(fleet_dsn)
    try:
        hosts = [row[0] for row in await connection.fetch("SELECT host_id FROM fleet.hosts")]
        contents = [bytes(32)] * len(hosts)
        boots = ["start"] * len(hosts)
        await connection.execute(load("hosts")["alive"], hosts, contents, now(), 300, "", boots)
        await connection.execute("SELECT pg_stat_force_next_flush()")
        row = await connection.fetchrow(
            "SELECT n_tup_upd, n_tup_hot_upd FROM pg_stat_user_tables WHERE relname = 'host_state'"
        )
        assert row is not None
        assert row["n_tup_upd"] == FLEET.hosts
        assert row["n_tup_hot_upd"] >= 0.95 * FLEET.hosts
    finally:
        await connection.close()
