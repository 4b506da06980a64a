"""`imagedrift bench year`: a year of a fleet that makes and removes thousands of images each day.

Every day brings new tags, and new hosts for that day. A standing fleet changes its images, and its
tags move. Maintenance runs once a day, with that day's time; a step that fails is told at the end,
and the next day goes on. When the longest retention is over,
the tables have their final size: at the end of the year none may have more rows.
"""

import asyncio
import logging
import tempfile
import time
from datetime import datetime, timedelta
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Final, Self

import asyncpg
import click
from msgspec import Struct

from imagedrift_bench import report
from imagedrift_ingest.adapters.postgres import connection as postgres
from imagedrift_ingest.adapters.postgres.maintenance import MaintainedTables
from imagedrift_ingest.adapters.postgres.migrations import migrate
from imagedrift_ingest.adapters.postgres.turns import TURN_CONNECTIONS, TurnTable
from imagedrift_ingest.core.retention import Retention
from imagedrift_ingest.errors import DatabaseUnavailable
from imagedrift_ingest.usecases.maintain import Maintain, StepsFailed
from imagedrift_runtime import logs, named_sql
from imagedrift_runtime.clock import SystemClock
from imagedrift_runtime.health import Health
from imagedrift_sandbox.postgres import PostgresServer

COUNTED_EVERY: Final = 15
SLACK: Final = 1.1
MONTH: Final = 31
"""Changes of hosts are dropped by the month."""
TRASH: Final = ("undescribed", "dead_letters", "registry_states", "trend", "outbox")
"""The leftovers of a day, by the names of their statements."""


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
        await connection.execute(_sql("standing"), at, self.standing)

    async def day(self, connection: asyncpg.Connection, at: datetime, number: int) -> None:
        """Insert the changes of one day."""
        async with connection.transaction():
            await connection.execute(_sql("references"), at, number, self.tags)
            await connection.execute(_sql("hosts"), at, number, self.hosts)
            await connection.execute(_sql("replace"), at, self.tags)
            await connection.execute(_sql("speak"), at)
            moved = await connection.fetch(_sql("move"), at, number)
            ids, digests = [row["ref_id"] for row in moved], [row["digest"] for row in moved]
            await connection.execute(_sql("moved"), at, ids, digests)
            for name in TRASH:
                await connection.execute(_sql(name), at)


class YearRows(Struct, kw_only=True):
    """Rows by table: at the start, when the retention is over, at the peak, at the end."""

    before: dict[str, int]
    settled: dict[str, int]
    peak: dict[str, int]
    after: dict[str, int]
    maintained_s: float
    longest_s: float
    failures: list[str]
    """The steps that failed, by day."""

    @classmethod
    def beginning_with(cls, rows: dict[str, int]) -> Self:
        """Return a life of which nothing but the start is known."""
        return cls(
            before=rows,
            settled={},
            peak=rows,
            after={},
            maintained_s=0.0,
            longest_s=0.0,
            failures=[],
        )

    def note_rows(self, rows: dict[str, int], *, is_settling: bool) -> None:
        """Note the rows of a day, which are the settled ones until the retention is over."""
        self.peak = {name: max(n, self.peak[name]) for name, n in rows.items()}
        if is_settling:
            self.settled = rows

    def note_maintenance(self, seconds: float) -> None:
        """Note how long the maintenance of a day took."""
        self.maintained_s += seconds
        self.longest_s = max(seconds, self.longest_s)

    def grown(self) -> list[str]:
        """Return the tables with more rows at the end than when the retention was over."""
        return [
            f"{name}: {rows} rows at the end, {self.settled[name]} when the retention was over"
            for name, rows in self.after.items()
            if rows > SLACK * self.settled[name] + 1000
        ]


def settled_after(keep: Retention) -> int:
    """Return after how many days the tables have their final size."""
    return keep.history + keep.retire_after + MONTH


async def live(dsn: str, churn: Churn, keep: Retention, days: int) -> YearRows:
    """Run through this many days that end today, with maintenance each day."""
    async with postgres.database(
        dsn, connections=TURN_CONNECTIONS, health=Health(), clock=SystemClock()
    ) as database:
        connection = await asyncpg.connect(dsn)
        clock, health = SystemClock(), Health()
        turns = TurnTable(database, health, clock)
        maintain = Maintain(MaintainedTables(database), turns, keep, clock)
        today = (await connection.fetchval("SELECT now()")).replace(microsecond=0)
        begin = today - timedelta(days=days)
        await churn.begin(connection, begin, days)
        settles = settled_after(keep)
        lived = YearRows.beginning_with(await _rows(connection))
        for number in range(days):
            at = begin + timedelta(days=number)
            await churn.day(connection, at, number)
            if number % COUNTED_EVERY == 0 or number in (settles, days - 1):
                rows = await _rows(connection)
                lived.note_rows(rows, is_settling=number <= settles)
                report.progress.print(f"day {number}: {sum(rows.values())} rows")
            began = time.monotonic()
            try:
                await maintain.add_up_usage()
                await maintain.tidy(at)
            except (StepsFailed, DatabaseUnavailable) as error:
                lived.failures.append(f"day {number}: {error}")
            lived.note_maintenance(time.monotonic() - began)
        lived.after = await _rows(connection)
        await connection.close()
        return lived


@cache
def _statements() -> dict[str, named_sql.Statement]:
    return named_sql.read(files("imagedrift_bench").joinpath("year.sql").read_text("utf-8"))


def _sql(name: str) -> str:
    return _statements()[name].sql


async def _rows(connection: asyncpg.Connection) -> dict[str, int]:
    rows = {}
    for row in await connection.fetch(_sql("tables")):
        name = row["relname"]
        rows[name] = await connection.fetchval(f"SELECT count(*) FROM fleet.{name}")  # noqa: S608
    return rows


@click.command("year")
@report.count("--days", 365, "Days that pass, longer than the tables take to settle.")
@report.count("--history", 90, "Days for which history is kept.")
@report.count("--standing", 2_000, "Hosts that stay.")
@report.count("--tags", 2_000, "New tags of each day.")
@report.count("--hosts", 1_000, "Hosts that come for a day.")
@report.as_json
def command(days: int, history: int, standing: int, tags: int, hosts: int, as_json: bool) -> None:
    """Run through a year of new tags and hosts, with maintenance each day.

    Exits with 1 where a table has more rows at the end than when the longest retention was over.
    """
    keep = Retention(history=history)
    if days <= settled_after(keep) + 1:
        raise click.UsageError(
            f"--days {days}: tables settle after {settled_after(keep)} days only, so that nothing"
            " would be checked; let more days pass, or keep a shorter --history"
        )
    churn = Churn(standing=standing, tags=tags, hosts=hosts)
    figures, failed = asyncio.run(_measure(churn, keep, days))
    report.finish("year", figures, as_json=as_json, failed_checks=failed)


async def _measure(
    churn: Churn, keep: Retention, days: int
) -> tuple[dict[str, float | int], list[str]]:
    logs.configure("imagedrift", "console", least=logging.CRITICAL)  # failures are told at the end
    with tempfile.TemporaryDirectory(prefix="imagedrift-bench-") as home:
        Path(home).chmod(0o755)
        settings = {"synchronous_commit": "off", "shared_buffers": "512MB"}
        async with PostgresServer.start(Path(home), settings=settings) as server:
            await migrate(server.dsn())
            lived = await live(server.dsn(), churn, keep, days)
    figures: dict[str, float | int] = {
        "days": days,
        "history_days": keep.history,
        "upkeep_seconds": round(lived.maintained_s, 1),
        "longest_upkeep_seconds": round(lived.longest_s, 2),
    }
    for name in lived.after:
        figures[f"{name}_before"] = lived.before[name]
        figures[f"{name}_peak"] = lived.peak[name]
        figures[f"{name}_after"] = lived.after[name]
    return figures, lived.failures + lived.grown()
