"""A fleet that is written into the database as ingest would: the views show the truth about it."""

import asyncpg

from imagedrift_bench.seed import seed
from imagedrift_ingest.adapters.postgres.migrations import migrate
from imagedrift_sandbox.fleet.invented import InventedFleet

FLEET = InventedFleet(hosts=50, images=8, references=120)


async def test_the_views_show_what_was_counted(database_dsn: str) -> None:
    """Images, verdicts, and hosts that are silent."""
    await migrate(database_dsn)
    connection = await asyncpg.connect(database_dsn)
    truth = await seed(connection, FLEET)
    rows = await connection.fetch("SELECT verdict, count(*) FROM ops.comparisons GROUP BY verdict")
    summary = await connection.fetchrow("SELECT hosts, silent_hosts FROM ops.fleet_summary")
    worst = await connection.fetchrow(
        "SELECT reference, outdated_hosts FROM ops.images ORDER BY outdated_hosts DESC LIMIT 1"
    )
    await connection.close()

    assert dict(map(tuple, rows)) == dict(truth.verdicts)
    assert sum(truth.verdicts.values()) == truth.images == 50 * 8
    assert summary is not None
    assert tuple(summary) == (50, truth.silent_hosts)
    assert worst is not None
    assert worst["outdated_hosts"] == max(truth.outdated_of_reference.values())
