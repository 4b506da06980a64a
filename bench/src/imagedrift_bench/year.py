"""`imagedrift bench year`: a year of a fleet that makes and removes thousands of images each day.

Every day brings new tags, and new hosts for that day. A standing fleet changes its images, and its
tags move. Maintenance runs once a day, with that day's time. When the longest retention is over,
the tables have their final size: at the end of the year none may have more rows.
"""

import asyncio
import tempfile
import time
from datetime import datetime, timedelta
from pathlib import Path
from typing import Final

import asyncpg
import click
from msgspec import Struct

from imagedrift_bench import report
from imagedrift_ingest.adapters.postgres import connection as postgres
from imagedrift_ingest.adapters.postgres.maintenance import MaintainedTables
from imagedrift_ingest.adapters.postgres.migrations import migrate
from imagedrift_ingest.adapters.postgres.turns import LEASE_S, TurnTable
from imagedrift_ingest.core.retention import Retention
from imagedrift_ingest.usecases.maintain import Maintain
from imagedrift_runtime.clock import SystemClock
from imagedrift_runtime.health import Health
from imagedrift_sandbox.postgres import PostgresServer

COUNTED_EVERY: Final = 15
SLACK: Final = 1.1
MONTH: Final = 31
"""Changes of hosts are dropped by the month."""
TABLES: Final = """
    SELECT relname FROM pg_class
    WHERE relnamespace = 'fleet'::regnamespace AND relkind IN ('r', 'p') AND NOT relispartition
    ORDER BY relname
"""
STANDING: Final = """
    WITH h AS (
      INSERT INTO fleet.hosts (site, host, first_seen_at)
      SELECT 'fra1', 'srv-' || n, $1 FROM generate_series(1, $2::integer) AS n RETURNING host_id
    )
    INSERT INTO fleet.host_state (host_id, last_seen_at, counts) SELECT host_id, $1, true FROM h
"""
SPEAK: Final = """
    UPDATE fleet.host_state AS s SET last_seen_at = $1 FROM fleet.hosts AS h
    WHERE h.host_id = s.host_id AND starts_with(h.host, 'srv-')
"""
REFERENCES: Final = """
    WITH r AS (
      INSERT INTO fleet.image_refs (reference, registry, repository, tag, policy, first_seen_at)
      SELECT 'r.example/app' || n % 200 || ':' || t, 'r.example', 'app' || n % 200, t, 'ask', $1
      FROM (SELECT n, $2::integer || '-' || n AS t FROM generate_series(1, $3::integer) AS n) AS s
      RETURNING ref_id, reference
    ), a AS (
      INSERT INTO fleet.answers (ref_id, remote_digest, remote_since, checked_at, attempted_at)
      SELECT ref_id, 'sha256:' || encode(sha256(reference::bytea), 'hex'), $1, $1, $1 FROM r
    ), t AS (
      INSERT INTO fleet.remote_history (ref_id, valid_from, digest)
      SELECT ref_id, $1, 'sha256:' || encode(sha256(reference::bytea), 'hex') FROM r
    )
    INSERT INTO fleet.comparisons
      (ref_id, image_id, repo_digests, platform, verdict, reason, verdict_since, first_seen_at)
    SELECT
      ref_id, d, ARRAY[d], 'linux/amd64', 'current', 'digest_match', $1, $1
    FROM (SELECT ref_id, 'sha256:' || encode(sha256(reference::bytea), 'hex') AS d FROM r) AS s
"""
HOSTS: Final = """
    WITH h AS (
      INSERT INTO fleet.hosts (site, host, first_seen_at)
      SELECT 'ci', 'job-' || $2::integer || '-' || n, $1 FROM generate_series(1, $3::integer) AS n
      RETURNING host_id
    ), s AS (
      INSERT INTO fleet.host_state (host_id, last_seen_at, counts, images)
      SELECT host_id, $1, true, 2 FROM h
    ), c AS (
      SELECT comparison_id, row_number() OVER () AS n FROM fleet.comparisons
      WHERE first_seen_at = $1
    ), numbered AS (SELECT host_id, row_number() OVER () AS n FROM h)
    INSERT INTO fleet.host_images (host_id, comparison_id, since)
    SELECT h.host_id, c.comparison_id, $1
    FROM numbered AS h JOIN c ON c.n IN (2 * h.n, 2 * h.n - 1)
"""
REPLACE: Final = """
    WITH gone AS (
      DELETE FROM fleet.host_images AS i USING fleet.hosts AS h
      WHERE h.host_id = i.host_id AND h.site = 'fra1'
      RETURNING i.host_id, i.comparison_id
    ), c AS (
      SELECT comparison_id, ref_id, row_number() OVER () AS n FROM fleet.comparisons
      WHERE first_seen_at = $1
    ), h AS (
      SELECT host_id, row_number() OVER () AS n FROM fleet.hosts WHERE site = 'fra1'
    ), came AS (
      INSERT INTO fleet.host_images (host_id, comparison_id, since)
      SELECT h.host_id, c.comparison_id, $1 FROM h JOIN c ON c.n = 1 + h.n % $2::integer
      RETURNING host_id, comparison_id
    )
    INSERT INTO fleet.host_changes
      (occurred_at, host_id, ref_id, old_comparison_id, new_comparison_id)
    SELECT $1, came.host_id, c.ref_id, gone.comparison_id, came.comparison_id
    FROM came JOIN c USING (comparison_id) LEFT JOIN gone USING (host_id)
"""
MOVE: Final = """
    WITH moving AS (
      SELECT ref_id FROM fleet.image_refs WHERE tag LIKE '0-%' ORDER BY ref_id LIMIT 200
    ), closed AS (
      UPDATE fleet.remote_history AS t SET valid_to = $1 FROM moving AS m
      WHERE t.ref_id = m.ref_id AND t.valid_to IS NULL AND t.valid_from < $1
      RETURNING t.ref_id
    )
    SELECT
      ref_id, 'sha256:' || encode(sha256((ref_id || '@' || $2::integer)::bytea), 'hex') AS digest
    FROM closed
"""
MOVED: Final = """
    INSERT INTO fleet.remote_history (ref_id, valid_from, digest)
    SELECT ref_id, $1, digest FROM unnest($2::bigint[], $3::text[]) AS s (ref_id, digest)
"""
TRASH: Final = (
    """INSERT INTO fleet.descriptions (digest, asked_at)
       SELECT digest, $1 FROM fleet.remote_history WHERE valid_from = $1
       ON CONFLICT (digest) DO NOTHING""",
    """INSERT INTO fleet.dead_letters (epoch, seq, received_at, hour,
         service, subject, stream, stream_seq, reason, error, payload)
       SELECT extract(epoch FROM $1::timestamptz)::bigint, n, $1,
         date_trunc('hour', $1::timestamptz),
         'ingest', 's' || n, 'S', n, 'r', 'e', '' FROM generate_series(1, 100) AS n""",
    """INSERT INTO fleet.registry_states (registry, credential, observed_at)
       SELECT 'r' || n || to_char($1::timestamptz, 'YYYYMMDD'), 'anonymous', $1
       FROM generate_series(1, 10) AS n""",
    """INSERT INTO fleet.trend SELECT $1::timestamptz + make_interval(mins => 5 * n),
       0, 0, 0, 0, 0, 0, 0, 0, 0, 0 FROM generate_series(1, 288) AS n""",
    """INSERT INTO fleet.outbox (comparison_id, from_verdict, from_reason, to_verdict, to_reason,
       changed_at) SELECT comparison_id, 'unknown', 'not_checked', 'current', 'digest_match', $1
       FROM fleet.comparisons WHERE first_seen_at = $1 LIMIT 50""",
)


class Churn(Struct, frozen=True, kw_only=True):
    """The changes of one day."""

    standing: int
    tags: int
    hosts: int

    async def begin(self, connection: asyncpg.Connection, at: datetime, days: int) -> None:
        """Insert the standing fleet, and make the partitions of all months."""
        month = at.replace(day=1, hour=0, minute=0, second=0, microsecond=0)
        while month <= at + timedelta(days=days):
            after = (month + timedelta(days=MONTH)).replace(day=1)
            name = f"fleet.host_changes_{month:%Y%m}"
            if await connection.fetchval("SELECT to_regclass($1)", name) is None:
                await connection.execute(
                    f"CREATE TABLE {name} PARTITION OF fleet.host_changes"
                    f" FOR VALUES FROM ('{month.isoformat()}') TO ('{after.isoformat()}')"
                )
            month = after
        await connection.execute(STANDING, at, self.standing)

    async def day(self, connection: asyncpg.Connection, at: datetime, number: int) -> None:
        """Insert the changes of one day."""
        async with connection.transaction():
            await connection.execute(REFERENCES, at, number, self.tags)
            await connection.execute(HOSTS, at, number, self.hosts)
            await connection.execute(REPLACE, at, self.tags)
            await connection.execute(SPEAK, at)
            moved = await connection.fetch(MOVE, at, number)
            ids, digests = [row["ref_id"] for row in moved], [row["digest"] for row in moved]
            await connection.execute(MOVED, at, ids, digests)
            for statement in TRASH:
                await connection.execute(statement, at)


class Lived(Struct, kw_only=True):
    """Rows by table: at the start, when the retention is over, at the peak, at the end."""

    before: dict[str, int]
    settled: dict[str, int]
    peak: dict[str, int]
    after: dict[str, int]
    upkeep_s: float
    longest_upkeep_s: float

    def grown(self) -> list[str]:
        """Return the tables with more rows at the end than when the retention was over."""
        return [
            f"{name}: {rows} rows at the end, {self.settled[name]} when the retention was over"
            for name, rows in self.after.items()
            if rows > SLACK * self.settled[name] + 1000
        ]


async def live(dsn: str, churn: Churn, keep: Retention, days: int) -> Lived:
    """Run through this many days that end today, with maintenance each day."""
    async with postgres.database(
        dsn, connections=1, health=Health(), clock=SystemClock()
    ) as database:
        connection = await asyncpg.connect(dsn)
        clock, health = SystemClock(), Health()
        turns = TurnTable(database, health, clock, LEASE_S)
        maintain = Maintain(MaintainedTables(database), turns, keep, clock)
        today = (await connection.fetchval("SELECT now()")).replace(microsecond=0)
        begin = today - timedelta(days=days)
        await churn.begin(connection, begin, days)
        before = await _rows(connection)
        settles = keep.history + keep.retire_after + MONTH
        lived = Lived(
            before=before, settled={}, peak=before, after={}, upkeep_s=0.0, longest_upkeep_s=0.0
        )
        for number in range(days):
            at = begin + timedelta(days=number)
            await churn.day(connection, at, number)
            if number % COUNTED_EVERY == 0 or number in (settles, days - 1):
                rows = await _rows(connection)
                lived.peak = {name: max(n, lived.peak[name]) for name, n in rows.items()}
                if number <= settles:
                    lived.settled = rows
                report.progress.print(f"day {number}: {sum(rows.values())} rows")
            began = time.monotonic()
            await maintain.add_up_usage()
            await maintain.tidy(at)
            took = time.monotonic() - began
            lived.upkeep_s += took
            lived.longest_upkeep_s = max(took, lived.longest_upkeep_s)
        lived.after = await _rows(connection)
        await connection.close()
        return lived


async def _rows(connection: asyncpg.Connection) -> dict[str, int]:
    rows = {}
    for row in await connection.fetch(TABLES):
        name = row["relname"]
        rows[name] = await connection.fetchval(f"SELECT count(*) FROM fleet.{name}")  # noqa: S608
    return rows


@click.command("year")
@report.count("--days", 365)
@report.count("--history", 90)
@report.count("--standing", 2_000)
@report.count("--tags", 2_000)
@report.count("--hosts", 1_000)
@report.as_json
def command(days: int, history: int, standing: int, tags: int, hosts: int, as_json: bool) -> None:
    """Run through a year of new tags and hosts, with maintenance each day."""
    churn = Churn(standing=standing, tags=tags, hosts=hosts)
    figures, failed = asyncio.run(_measure(churn, Retention(history=history), days))
    report.finish("year", figures, as_json=as_json, failed_checks=failed)


async def _measure(
    churn: Churn, keep: Retention, days: int
) -> tuple[dict[str, float | int], list[str]]:
    with tempfile.TemporaryDirectory(prefix="imagedrift-bench-") as home:
        Path(home).chmod(0o755)
        settings = {"synchronous_commit": "off", "shared_buffers": "512MB"}
        async with PostgresServer.start(Path(home), settings=settings) as server:
            await migrate(server.dsn())
            lived = await live(server.dsn(), churn, keep, days)
    figures: dict[str, float | int] = {
        "days": days,
        "history_days": keep.history,
        "upkeep_seconds": round(lived.upkeep_s, 1),
        "longest_upkeep_seconds": round(lived.longest_upkeep_s, 2),
    }
    for name in lived.after:
        figures[f"{name}_before"] = lived.before[name]
        figures[f"{name}_peak"] = lived.peak[name]
        figures[f"{name}_after"] = lived.after[name]
    return figures, lived.grown()
