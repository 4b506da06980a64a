"""How many hosts have an image is kept, and is right whoever wrote what."""

import random

import pytest

from imagedrift_ingest.adapters.postgres import connection
from support.ingest import MISCOUNTED
from support.storing import database_of, maintain_on

IMAGES = """
    INSERT INTO fleet.image_refs (ref_id, reference, registry, repository, tag, policy)
      VALUES (1, 'r.io/a:1', 'r.io', 'a', '1', 'ask');
    INSERT INTO fleet.answers (ref_id) VALUES (1);
    INSERT INTO fleet.comparisons
      (comparison_id, ref_id, image_id, repo_digests, platform, verdict, reason, verdict_since)
      SELECT n, 1, 'sha256:' || lpad(n::text, 64, '0'), '{}', 'linux/amd64', 'local',
        'no_repo_digest', now()
      FROM generate_series(1, 6) AS n;
"""
WRITES = {
    """INSERT INTO fleet.hosts (site, host)
       SELECT 'fra1', 'h' || n FROM generate_series(1, 9) AS n ON CONFLICT DO NOTHING""": 3,
    """INSERT INTO fleet.host_images (host_id, comparison_id, since, running, shared)
       SELECT h.host_id, c.comparison_id, now(), (random() * 2)::integer, random() < 0.5
       FROM fleet.hosts AS h, fleet.comparisons AS c WHERE random() < 0.3
       ON CONFLICT DO NOTHING""": 8,
    "UPDATE fleet.host_images SET running = (random() * 2)::integer WHERE random() < 0.5": 4,
    "UPDATE fleet.host_images SET shared = NOT shared WHERE random() < 0.3": 4,
    "UPDATE fleet.host_images SET tagged = NOT tagged": 2,
    "DELETE FROM fleet.host_images WHERE random() < 0.3": 3,
    "DELETE FROM fleet.hosts WHERE random() < 0.2": 1,
    "TRUNCATE fleet.host_images": 1,
}


@pytest.mark.parametrize("seed", range(3))
async def test_the_counts_follow_whoever_writes(dsn: str, seed: int) -> None:
    """The counts are right after any inserts, updates and deletes."""
    draw = random.Random(seed)
    seen = set()
    async with connection.pool(dsn, connections=1) as pool:
        await pool.execute(IMAGES)
        await pool.execute("SELECT setseed($1)", draw.random())
        for _ in range(60):
            await pool.execute(draw.choices([*WRITES], [*WRITES.values()])[0])
            assert await pool.fetch(MISCOUNTED) == []
            if draw.random() < 0.3:
                await maintain_on(database_of(pool)).add_up_usage()
                assert await pool.fetchval("SELECT count(*) FROM fleet.usage_changes") == 0
                assert await pool.fetch(MISCOUNTED) == []
            seen.add(await pool.fetchval("SELECT sum(hosts) FROM fleet.usage"))
    assert len(seen) > 10


async def test_a_change_that_changes_no_count_writes_none(dsn: str) -> None:
    """A change that changes no count writes no change of a count."""
    async with connection.pool(dsn, connections=1) as pool:
        await pool.execute(IMAGES)
        await pool.execute("INSERT INTO fleet.hosts (host_id, site, host) VALUES (1, 'fra1', 'h')")
        await pool.execute(
            "INSERT INTO fleet.host_images (host_id, comparison_id, since, running)"
            " VALUES (1, 1, now(), 1)"
        )
        await maintain_on(database_of(pool)).add_up_usage()
        await pool.execute("UPDATE fleet.host_images SET running = 2, containers = '{a,b}'")
        assert await pool.fetchval("SELECT count(*) FROM fleet.usage_changes") == 0
        await pool.execute("UPDATE fleet.host_images SET running = 0")
        assert await pool.fetchval("SELECT running FROM fleet.usage_changes") == -1
