"""A fleet large enough for indexes to pay, and the plans of queries about it."""

import re

import asyncpg

from imagedrift_bench.seed import seed
from imagedrift_ingest.adapters.postgres.statements import load
from imagedrift_sandbox.fleet.invented import SITE, InventedFleet

FLEET = InventedFleet(hosts=3000, images=10, references=600)
HOST = f"site = '{SITE}' AND host = '{FLEET.host(7)}'"
REFERENCE = f"reference = '{FLEET.reference(3)}'"


async def filled(dsn: str) -> None:
    """Put the fleet into the database."""
    connection = await asyncpg.connect(dsn)
    try:
        await seed(connection, FLEET)
        await connection.execute(LISTED)
        await connection.execute(BUILT)
        await connection.execute("VACUUM ANALYZE")
    finally:
        await connection.close()


LISTED = """
    INSERT INTO fleet.tag_lists (
      registry, repository, tracks, listed_at, changed_at, attempted_at, next_list_at, weight
    )
    SELECT registry, repository, '[]', now(), now(), now(), now() + interval '1 h', 3
    FROM fleet.image_refs;
    INSERT INTO fleet.versions (ref_id, list_id, track, version, is_compared)
    SELECT r.ref_id, l.list_id, '<3>', '1.2.3', true
    FROM fleet.image_refs AS r
    JOIN fleet.tag_lists AS l ON l.repository = r.repository;
    INSERT INTO fleet.newer (ref_id, step, candidate_ref_id, state, since)
    SELECT ref_id, 'minor', ref_id + 1, 'newer', now() FROM fleet.versions WHERE ref_id % 2 = 1;
"""
"""A list for each reference, and a candidate for every second one."""

BUILT = """
    UPDATE fleet.comparisons SET facts = jsonb_build_object(
      'base_name', 'docker.io/library/base:' || ref_id, 'base_digest', 'sha256:' || repeat('0', 64)
    );
    INSERT INTO fleet.bases (name, digest, platform, ref_id, state, judged_digest)
    SELECT DISTINCT
      facts ->> 'base_name', facts ->> 'base_digest', platform, ref_id,
      'newer', facts ->> 'base_digest'
    FROM fleet.comparisons
    WHERE ref_id > 1;
"""
"""The images of each reference have a base, and one of these bases is not followed yet."""


async def plan(dsn: str, sql: str, *arguments: object) -> str:
    """The plan of a query on a disk where an index costs what memory costs."""
    connection = await asyncpg.connect(dsn, server_settings={"random_page_cost": "1.1"})
    try:
        rows = await connection.fetch(f"EXPLAIN (COSTS OFF) {sql}", *arguments)
        return "\n".join(row[0] for row in rows)
    finally:
        await connection.close()


async def generic_plan(
    connection: asyncpg.Connection, file: str, name: str, arguments: str, how: str = "COSTS OFF"
) -> str:
    """The plan of a named statement for arguments that it was not planned for."""
    await connection.execute("SET plan_cache_mode = force_generic_plan")
    await connection.execute(f"PREPARE p AS {load(file)[name]}")
    rows = await connection.fetch(f"EXPLAIN ({how}) EXECUTE p {arguments}")
    return "\n".join(row[0] for row in rows)


def scanned(text: str) -> set[str]:
    """The tables that are read from one end to the other."""
    return set(re.findall(r"Seq Scan on (\w+)", text))
