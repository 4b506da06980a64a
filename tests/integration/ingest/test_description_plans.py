"""How digests to be described are found, however many images and references one host has."""

import re

import asyncpg
import pytest

from imagedrift_bench.seed import seed
from imagedrift_sandbox.fleet.invented import InventedFleet
from support.plans import generic_plan, scanned

UNDESCRIBED = (
    "digest_questions",
    "undescribed",
    "(now(), 1000, 32, now() - interval '301 s', 2000)",
)
CANDIDATES = ("lists", "undescribed_candidates", "(now(), 200, 32, now() - interval '301 s')")
RUN = "ANALYZE, TIMING OFF, COSTS OFF"


async def test_images_that_a_host_makes_up_are_counted_in_an_index_alone(dsn: str) -> None:
    """Which digests are to be described is known without the rows of thousands of images."""
    connection = await asyncpg.connect(dsn)
    try:
        await seed(connection, InventedFleet(hosts=1000, images=5, references=50))
        await connection.execute(MADE_UP)
        await connection.execute("VACUUM ANALYZE")
        found = await generic_plan(connection, *UNDESCRIBED, RUN)
    finally:
        await connection.close()
    assert "Index Only Scan using comparisons_undescribed_idx" in found
    assert not scanned(found) & {"comparisons", "host_images"}, found
    assert "(never executed)" in found.partition("SubPlan")[2], found


MADE_UP = """
    INSERT INTO fleet.comparisons (
      ref_id, image_id, repo_digests, platform, verdict, reason, verdict_since
    )
    SELECT
      2 + n % 40, 'sha256:' || lpad(n::text, 64, '0'), ARRAY['sha256:' || lpad(n::text, 64, '1')],
      'made/up', 'outdated', 'digest_differs', now()
    FROM generate_series(1, 10000) AS n;
    INSERT INTO fleet.host_images (host_id, comparison_id, since, running)
    SELECT 1, comparison_id, now(), 1 FROM fleet.comparisons WHERE platform = 'made/up';
    INSERT INTO fleet.descriptions (digest, asked_at, next_ask_at, asked_ref_id)
    SELECT DISTINCT remote_digest, now(), now() + interval '1 h', ref_id
    FROM fleet.answers WHERE remote_digest IS NOT NULL;
"""
"""One host made up ten thousand images of tags of which the digests were asked about just now."""


@pytest.mark.parametrize(
    ("file", "name", "arguments"),
    [
        UNDESCRIBED,
        CANDIDATES,
    ],
)
async def test_descriptions_of_long_ago_are_not_read(
    dsn: str, file: str, name: str, arguments: str
) -> None:
    """The digests that were asked about lately are found by an index."""
    connection = await asyncpg.connect(dsn)
    try:
        await connection.execute(DESCRIBED)
        await connection.execute("VACUUM ANALYZE")
        found = await generic_plan(connection, file, name, arguments)
    finally:
        await connection.close()
    assert "descriptions_asked_idx" in found, found
    assert "descriptions" not in scanned(found), found


DESCRIBED = """
    INSERT INTO fleet.image_refs (reference, registry, repository, tag, policy)
    SELECT 'r.example/app:' || n, 'r.example', 'app', n::text, 'ask'
    FROM generate_series(1, 10000) AS n;
    INSERT INTO fleet.answers (ref_id, remote_digest, remote_since)
    SELECT ref_id, 'sha256:' || lpad(tag, 64, '0'), now() FROM fleet.image_refs;
    INSERT INTO fleet.descriptions (digest, asked_at, asked_ref_id)
    SELECT remote_digest, now() - interval '40 days' * random(), ref_id FROM fleet.answers;
"""
"""Tags whose digests were described in the last weeks."""


async def three_looks(
    connection: asyncpg.Connection, look: tuple[str, str, str]
) -> tuple[str, list[list[asyncpg.Record]]]:
    """The plan of a look for digests, and what three of them find."""
    await connection.execute("VACUUM ANALYZE")
    found = await generic_plan(connection, *look, RUN)
    return found, [await connection.fetch(f"EXECUTE p {look[2]}") for _ in range(3)]


async def test_of_a_host_with_thousands_of_references_few_are_tried_in_a_look(dsn: str) -> None:
    """The images of a host's references are read for about a thousand of them, drawn by chance."""
    connection = await asyncpg.connect(dsn)
    try:
        await seed(connection, InventedFleet(hosts=10, images=5, references=50))
        await connection.execute(OF_ITS_OWN)
        found, looks = await three_looks(connection, UNDESCRIBED)
    finally:
        await connection.close()
    tried = [int(n) for n in re.findall(r" on host_images hi \(actual .*loops=(\d+)\)", found)]
    assert 0 < max(tried) < 1_300, found
    assert [len(rows) for rows in looks] == [32 + 1] * 3
    picked = {row["digest"] for rows in looks for row in rows}
    assert len(picked) > 32 + 1, "each look draws others"
    assert OTHERS in picked


OTHERS = "sha256:" + "f" * 64
OF_ITS_OWN = f"""
    INSERT INTO fleet.image_refs (ref_id, reference, registry, repository, tag, policy)
    SELECT 1000 + n, 'r.example/app:' || n, 'r.example', 'app', n::text, 'ask'
    FROM generate_series(1, 10000) AS n;
    INSERT INTO fleet.answers (ref_id, remote_digest, remote_since, brought_by)
    SELECT
      ref_id, CASE tag WHEN '1' THEN '{OTHERS}' ELSE 'sha256:' || lpad(tag, 64, '0') END, now(),
      CASE tag WHEN '1' THEN 2 ELSE 1 END
    FROM fleet.image_refs WHERE ref_id > 1000;
    INSERT INTO fleet.comparisons (
      ref_id, image_id, repo_digests, platform, verdict, reason, verdict_since
    )
    SELECT
      ref_id, 'sha256:' || lpad(tag, 64, '1'), ARRAY['sha256:' || lpad(tag, 64, '2')],
      'linux/amd64', 'outdated', 'digest_differs', now()
    FROM fleet.image_refs WHERE ref_id > 1000;
    INSERT INTO fleet.host_images (host_id, comparison_id, since)
    SELECT a.brought_by, c.comparison_id, now()
    FROM fleet.comparisons AS c JOIN fleet.answers AS a ON a.ref_id = c.ref_id
    WHERE c.ref_id > 1000;
"""
"""Two hosts: the first brought ten thousand references that are outdated, the second one."""


async def test_of_a_host_with_thousands_of_candidates_few_are_looked_at(dsn: str) -> None:
    """About a thousand digests of a host are considered, drawn by chance, and others' each time."""
    connection = await asyncpg.connect(dsn)
    try:
        await connection.execute(PINNED)
        found, looks = await three_looks(connection, CANDIDATES)
    finally:
        await connection.close()
    considered = [int(n) for n in re.findall(r"CTE Scan on drawn w \(actual rows=(\d+)", found)]
    assert 0 < max(considered) < 1_300, found
    assert [len(rows) for rows in looks] == [32 + 1] * 3
    assert all(OTHERS in {row["digest"] for row in rows} for rows in looks)
    assert len({row["digest"] for rows in looks for row in rows}) > 32 + 1, "others are drawn"


PINNED = f"""
    INSERT INTO fleet.image_refs (ref_id, reference, registry, repository, tag, policy)
    SELECT n, 'r.example/app:1.' || n, 'r.example', 'app', '1.' || n, 'ask'
    FROM generate_series(1, 10000) AS n;
    INSERT INTO fleet.answers (ref_id, remote_digest, remote_since, brought_by)
    SELECT
      ref_id, CASE ref_id WHEN 1 THEN '{OTHERS}' ELSE 'sha256:' || lpad(ref_id::text, 64, '0') END,
      now(), CASE ref_id WHEN 1 THEN 2 ELSE 1 END
    FROM fleet.image_refs;
    INSERT INTO fleet.descriptions (digest, described_at, asked_at, children)
    SELECT remote_digest, now(), now() - interval '2 d', '[]'
    FROM fleet.answers WHERE ref_id = 10000;
    INSERT INTO fleet.tag_lists (
      list_id, registry, repository, tracks, listed_at, changed_at, attempted_at, next_list_at
    )
    VALUES (1, 'r.example', 'app', '[]', now(), now(), now(), now() + interval '1 h');
    INSERT INTO fleet.versions (ref_id, list_id, track, version, is_compared)
    SELECT ref_id, 1, '<2>', tag, true FROM fleet.image_refs;
    INSERT INTO fleet.newer (ref_id, step, candidate_ref_id, state)
    SELECT ref_id, 'minor', 10000, 'unresolved' FROM fleet.versions WHERE ref_id < 10000;
"""
"""Two hosts pin tags of which one is newer: the first ten thousand, the second one."""
