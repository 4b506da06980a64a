"""A small fleet written straight into a migrated database, for what the command shows of it.

Two sites have a host `web-1` each. Moments are ages, so that what a terminal shows stays the same.
"""

from collections.abc import Sequence
from typing import Final

import asyncpg

OLD: Final = "sha256:" + "a1" * 32
NEW: Final = "sha256:" + "b2" * 32
IMAGES: Final = (
    ("docker.io/library/nginx:1.27", "outdated", "platform_differs"),
    ("docker.io/library/redis:7", "current", "digest_match"),
    ("ghcr.io/example-organisation/platform/telemetry-collector:2026.10", "outdated",
     "digest_differs"),
    ("registry.example.org/team/app:3", "unknown", "denied"),
    ("docker.io/library/app:dev", "local", "no_repo_digest"),
)  # fmt: skip
HOSTS: Final = (
    ("ber1", "web-1", "web-1", "env=prod", "ber1/rack-1", (1, 2, 3, 4), "1 minute", ""),
    ("fra1", "web-1", "web-1", "env=prod", "fra1/rack-7", (1, 2, 5), "1 minute", ""),
    ("fra1", "db-1", "db-1", "env=test", "fra1/rack-8", (2, 3), "29 hours", ""),
    ("fra1", "job-1", "job-1", "env=test", "fra1/rack-8", (2,), "1 minute",
     "the engine does not answer"),
)  # fmt: skip
RUNNING: Final = {1: 1, 3: 2}

_HOST: Final = """
WITH h AS (
  INSERT INTO fleet.hosts (site, host, hostname, labels, place, os, arch, engine, engine_version,
                           agent_version, first_seen_at)
  VALUES ($1, $2, $3, jsonb_build_object('env', split_part($4, '=', 2)), $5, 'linux', 'amd64',
          'docker', '28.2.2', '0.1.0', now() - interval '30 days')
  RETURNING host_id
)
INSERT INTO fleet.host_state (host_id, content, interval_s, last_seen_at, changed_at, degraded,
                              images, counts, silent_at)
SELECT host_id, sha256('x'), 300, now() - $6::interval - interval '70 seconds',
       now() - interval '2 days', $7, $8, true, now() - $6::interval + interval '15 minutes'
FROM h RETURNING host_id
"""


async def fill(dsn: str) -> None:
    """Write the fleet into a migrated database."""
    connection = await asyncpg.connect(dsn)
    try:
        async with connection.transaction():
            ids = [await _image(connection, i, *each) for i, each in enumerate(IMAGES, 1)]
            for site, host, name, label, place, has, seen, degraded in HOSTS:
                host_id = await connection.fetchval(
                    _HOST, site, host, name, label, place, _interval(seen), degraded, len(has)
                )
                await _has(connection, host_id, [(ids[i - 1], RUNNING.get(i, 0)) for i in has])
            await _budget_and_letters(connection)
            await connection.execute(_VERSIONS)
            await connection.execute(_NEWER)
    finally:
        await connection.close()


async def add_outdated(dsn: str, number: int) -> None:
    """Add so many hosts that run the first image, which is outdated."""
    connection = await asyncpg.connect(dsn)
    try:
        await connection.execute(_MANY, number)
    finally:
        await connection.close()


_MANY: Final = """
WITH h AS (
  INSERT INTO fleet.hosts (site, host, hostname, labels, place, os, arch, engine, engine_version,
                           agent_version, first_seen_at)
  SELECT 'many', name, name, '{"env": "prod"}', 'many', 'linux', 'amd64', 'docker', '28.2.2',
         '0.1.0', now() - interval '30 days'
  FROM (SELECT 'node-' || to_char(n, 'FM000000') FROM generate_series(1, $1::integer) AS n)
    AS names (name)
  RETURNING host_id
),
s AS (
  INSERT INTO fleet.host_state (host_id, content, interval_s, last_seen_at, changed_at, images,
                                counts, silent_at)
  SELECT host_id, sha256('x'), 300, now(), now() - interval '2 days', 1, true,
         now() + interval '1 hour'
  FROM h
)
INSERT INTO fleet.host_images (host_id, comparison_id, since, running, containers)
SELECT host_id, (SELECT min(comparison_id) FROM fleet.comparisons), now() - interval '9 days', 1,
       ARRAY['app']
FROM h
"""


_VERSIONS: Final = """
WITH listed AS (
  INSERT INTO fleet.tag_lists (registry, repository, tracks, names, truncated, listed_at,
                               changed_at, attempted_at, next_list_at, whole_until)
  SELECT registry, repository, '[]', names, truncated, moment, moment, moment,
         now() + interval '11 hours 5 minutes', now() + interval '1 day'
  FROM (VALUES ('docker.io', 'library/nginx', 812, ''), ('docker.io', 'library/redis', 640, ''),
               ('ghcr.io', 'example-organisation/platform/telemetry-collector', 100, 'pages'))
         AS l (registry, repository, names, truncated),
       (SELECT now() - interval '2 minutes 5 seconds' AS moment) AS m
  RETURNING list_id, registry, repository
), versions AS (
  INSERT INTO fleet.versions (ref_id, list_id, track, version, is_compared, is_whole, behind)
  SELECT r.ref_id, l.list_id, '', r.tag, true, l.registry = 'docker.io',
         CASE r.tag WHEN '1.27' THEN 2 WHEN '7' THEN 0 END
  FROM fleet.image_refs AS r
  JOIN listed AS l ON (l.registry, l.repository) = (r.registry, r.repository)
), candidate AS (
  INSERT INTO fleet.image_refs (reference, registry, repository, tag, policy)
  VALUES ('docker.io/library/nginx:1.29', 'docker.io', 'library/nginx', '1.29', 'ask')
  RETURNING ref_id
)
SELECT ref_id FROM candidate
"""
_NEWER: Final = """
INSERT INTO fleet.newer (ref_id, step, candidate_ref_id, state, since)
SELECT old.ref_id, 'minor', new.ref_id, 'newer', now() - interval '3 days 4 hours 30 minutes'
FROM fleet.image_refs AS old, fleet.image_refs AS new
WHERE old.reference = 'docker.io/library/nginx:1.27'
  AND new.reference = 'docker.io/library/nginx:1.29'
"""
"""nginx has a newer version, redis has none, and the third list was not read to its end."""


def _interval(text: str) -> object:
    from datetime import timedelta

    amount, unit = text.split()
    return timedelta(**{unit if unit.endswith("s") else f"{unit}s": int(amount)})


async def _image(
    connection: asyncpg.Connection, number: int, reference: str, verdict: str, reason: str
) -> int:
    registry, _, rest = reference.partition("/")
    repository, _, tag = rest.rpartition(":")
    ref_id = await connection.fetchval(
        "INSERT INTO fleet.image_refs (reference, registry, repository, tag, policy)"
        " VALUES ($1, $2, $3, $4, 'ask') RETURNING ref_id",
        reference, registry, repository, tag,
    )  # fmt: skip
    await connection.execute(_ANSWER, ref_id, verdict, NEW if verdict == "outdated" else OLD)
    if verdict in ("current", "outdated"):
        await connection.execute(_HISTORY, ref_id, OLD, NEW if verdict == "outdated" else None)
    digests = [] if verdict == "local" else [OLD]
    comparison_id: int = await connection.fetchval(
        _COMPARISON, ref_id, "sha256:" + f"{number:02}" * 32, digests, verdict, reason
    )
    return comparison_id


_ANSWER: Final = """
INSERT INTO fleet.answers (ref_id, remote_digest, remote_since, checked_at, attempted_at, failure,
                           error, failures, failing_since, asked_at, next_check_at)
SELECT $1::bigint, CASE WHEN known THEN $3 END,
       CASE WHEN known THEN now() - interval '3 days 4 hours 30 minutes' END,
       CASE WHEN known THEN now() - interval '2 minutes 5 seconds' END,
       now() - interval '2 minutes 5 seconds',
       CASE WHEN $2::text = 'unknown' THEN 'denied' END,
       CASE WHEN $2 = 'unknown' THEN 'the registry wants a login' END,
       CASE WHEN $2 = 'unknown' THEN 7 ELSE 0 END,
       CASE WHEN $2 = 'unknown' THEN now() - interval '1 day 2 hours 30 minutes' END,
       now() - interval '2 minutes 6 seconds', now() + interval '3 minutes 5 seconds'
FROM (SELECT $2::text IN ('current', 'outdated') AS known) AS k
"""
_HISTORY: Final = """
INSERT INTO fleet.remote_history (ref_id, valid_from, valid_to, digest)
SELECT $1::bigint, now() - interval '20 days 5 hours 30 minutes',
       CASE WHEN $3::text IS NOT NULL THEN now() - interval '3 days 4 hours 30 minutes' END, $2
UNION ALL
SELECT $1::bigint, now() - interval '3 days 4 hours 30 minutes', NULL, $3 WHERE $3 IS NOT NULL
"""
_COMPARISON: Final = """
INSERT INTO fleet.comparisons (ref_id, image_id, repo_digests, platform, size_bytes, verdict,
                               reason, verdict_since)
VALUES ($1, $2, $3, 'linux/amd64', 71234567, $4, $5, now() - interval '3 days 4 hours 30 minutes')
RETURNING comparison_id
"""


async def _has(
    connection: asyncpg.Connection, host_id: int, images: Sequence[tuple[int, int]]
) -> None:
    await connection.execute(
        "INSERT INTO fleet.host_images (host_id, comparison_id, since, running, containers)"
        " SELECT $1, c, now() - interval '9 days 1 hour 30 minutes', r,"
        "        CASE WHEN r > 0 THEN ARRAY['app'] END"
        " FROM unnest($2::bigint[], $3::integer[]) AS x (c, r)",
        host_id, [c for c, _ in images], [r for _, r in images],
    )  # fmt: skip


async def _budget_and_letters(connection: asyncpg.Connection) -> None:
    await connection.execute(
        "INSERT INTO fleet.registry_states (registry, credential, rate_limit, rate_remaining,"
        " rate_window_s, last_status, observed_at) VALUES ('docker.io', 'anonymous', 100, 37,"
        " 21600, 200, now() - interval '2 minutes 5 seconds')"
    )
    await connection.execute(
        "INSERT INTO fleet.dead_letters (epoch, seq, received_at, service, subject, stream,"
        " stream_seq, reason, error, payload, times, first_received_at, hour)"
        " VALUES (1, 1, now() - interval '2 minutes 5 seconds', 'ingest',"
        " 'drift.v1.inventory.fra1.db-1', 'DRIFT_INVENTORY', 12, 'malformed',"
        " 'JSON is malformed: invalid character (byte 0)', 'no inventory', 3,"
        " now() - interval '3 minutes 5 seconds', '2026-11-26T05:00:00Z')"
    )
    await connection.execute(
        "INSERT INTO fleet.host_changes (occurred_at, host_id, ref_id, old_comparison_id,"
        " new_comparison_id) SELECT now() - interval '9 days 1 hour 30 minutes', h.host_id,"
        " c.ref_id, NULL, c.comparison_id FROM fleet.hosts AS h, fleet.comparisons AS c"
        " WHERE h.site = 'ber1'"
        " AND c.comparison_id = (SELECT min(comparison_id) FROM fleet.comparisons)"
    )
