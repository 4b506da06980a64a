"""How the statements of maintenance are planned: in portions, whatever the tables hold."""

import asyncpg
import pytest

from imagedrift_ingest.adapters.postgres.statements import load
from support.plans import scanned


@pytest.mark.parametrize("name", ["mark_unused", "drop_refs", "drop_lists"])
async def test_maintenance_reads_of_a_large_table_a_portion_at_a_time(dsn: str, name: str) -> None:
    """A step of maintenance reads no large table whole for the few rows that it changes."""
    connection = await asyncpg.connect(dsn)
    try:
        await connection.execute(LARGE)
        await connection.execute("VACUUM ANALYZE")
        await connection.execute("SET plan_cache_mode = force_generic_plan")
        await connection.execute(f"PREPARE p AS {load('maintenance')[name]}")
        rows = await connection.fetch("EXPLAIN EXECUTE p (NULL, NULL, NULL, NULL)")
    finally:
        await connection.close()
    large = {"comparisons", "usage_totals", "image_refs", "answers", "tag_lists", "versions"}
    assert not scanned("\n".join(row[0] for row in rows)) & large


LARGE = """
    INSERT INTO fleet.image_refs (reference, registry, repository, tag, policy)
    SELECT 'r.example/app:' || n, 'r.example', 'app', n::text, 'ask'
    FROM generate_series(1, 20000) AS n;
    INSERT INTO fleet.answers (ref_id) SELECT ref_id FROM fleet.image_refs ON CONFLICT DO NOTHING;
    INSERT INTO fleet.comparisons (
      ref_id, image_id, repo_digests, platform, verdict, reason, verdict_since
    )
    SELECT
      ref_id, 'sha256:' || lpad(ref_id::text, 64, '0'), '{}', 'linux/amd64', 'local',
      'no_repo_digest', now()
    FROM fleet.image_refs;
    INSERT INTO fleet.tag_lists (registry, repository)
    SELECT registry, 'app/' || tag FROM fleet.image_refs;
    INSERT INTO fleet.versions (ref_id, list_id, track, version, is_compared)
    SELECT r.ref_id, l.list_id, '<1>', '1', true
    FROM fleet.image_refs AS r JOIN fleet.tag_lists AS l ON l.repository = 'app/' || r.tag;
"""
"""Many references, each with an image, and as many lists of tags."""
