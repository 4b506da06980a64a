"""How what is due is found: by indexes, whatever was decided."""

import asyncio

import asyncpg
import pytest

from imagedrift_bench.due import decide
from imagedrift_dashboard.core.filters import FILTERS
from imagedrift_ingest.adapters.postgres.statements import load
from support.plans import FLEET, HOST, REFERENCE, plan, scanned

NOWHERE = FILTERS["place"].condition.replace(":place", "'nowhere'")


@pytest.fixture(scope="module")
def decided_dsn(fleet_dsn: str) -> str:
    """The same database, with a thousand decisions."""
    asyncio.run(decided(fleet_dsn))
    return fleet_dsn


async def decided(dsn: str) -> None:
    """Decide about the fleet."""
    connection = await asyncpg.connect(dsn)
    try:
        await decide(connection, FLEET)
    finally:
        await connection.close()


@pytest.mark.parametrize(
    ("sql", "index"),
    [
        (f"SELECT * FROM ops.due WHERE {HOST}", "host_images_pkey"),
        (f"SELECT * FROM ops.excused WHERE {HOST}", "host_images_pkey"),
        (f"SELECT * FROM ops.due WHERE {REFERENCE} LIMIT 100", "host_images_comparison_idx"),
        ("SELECT * FROM ops.due ORDER BY available_since LIMIT 100", "comparisons_since_idx"),
        ("SELECT * FROM ops.due ORDER BY available_since LIMIT 100", "newer_since_idx"),
        ("SELECT * FROM ops.excused ORDER BY available_since LIMIT 100", "comparisons_since_idx"),
    ],
)
async def test_what_is_due_is_found_by_indexes(decided_dsn: str, sql: str, index: str) -> None:
    """Neither the fleet nor all decisions are read for one host, one image or the first hundred."""
    found = await plan(decided_dsn, sql)
    assert index in found
    assert "decisions_pattern_idx" in found
    whole = {"host_images", "hosts", "comparisons", "answers", "image_refs", "decisions"}
    assert not scanned(found) & whole, found


@pytest.mark.parametrize("view", ["due", "excused"])
async def test_a_place_of_few_hosts_is_found_by_its_hosts(decided_dsn: str, view: str) -> None:
    """The images of a place without hosts are not looked for among those of the whole fleet."""
    sql = f"SELECT * FROM ops.{view} WHERE {NOWHERE} ORDER BY available_since LIMIT 51"
    found = await plan(decided_dsn, sql)
    assert "hosts_place_idx" in found
    assert "comparisons_since_idx" not in found


async def test_what_is_due_is_counted_without_hosts_where_no_decision_asks_for_them(
    decided_dsn: str,
) -> None:
    """Images are counted as often as hosts have them, and hosts are found by their images."""
    found = await plan(decided_dsn, load("fleet_counts")["count_due"])
    assert "usage_totals" in found
    assert "host_images" not in scanned(found), found
