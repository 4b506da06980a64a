"""`imagedrift bench queries`: the operators' queries on a large, warm fleet, in milliseconds.

A dashboard repeats its queries: pages are in memory, and each statement is planned once. A
person's tool plans every time; that is measured for the shortest query, where it counts. Every
result is checked against the rows that were written.
"""

import asyncio
import os
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final, NamedTuple

import asyncpg
import click

from imagedrift_bench import due, report
from imagedrift_bench.due import Rows
from imagedrift_bench.seed import Truth, seed
from imagedrift_ingest.adapters.postgres.connection import database
from imagedrift_ingest.adapters.postgres.fleet_counts import FleetCountTables
from imagedrift_ingest.adapters.postgres.migrations import migrate
from imagedrift_runtime.clock import SystemClock
from imagedrift_runtime.health import Health
from imagedrift_sandbox.fleet.invented import SITE, InventedFleet
from imagedrift_sandbox.postgres import PostgresServer

REPEATS: Final = 15
"""PostgreSQL plans a prepared statement anew for the first five times."""
SETTINGS: Final = {
    "shared_buffers": "1GB",
    "max_wal_size": "8GB",
    "work_mem": "64MB",
    "jit": "off",
    "random_page_cost": "1.1",
    # The process that asks scans as well: more helpers than other cores only get in its way.
    "max_parallel_workers_per_gather": str(min(2, max(1, (os.cpu_count() or 2) - 1))),
}
OF_DIGEST: Final = "SELECT host, reference, running FROM ops.comparisons WHERE local_digests @> $1"


class OperatorQuestion(NamedTuple):
    """A query, its SQL, and a check of its result."""

    name: str
    sql: str
    arguments: tuple[Any, ...]
    right: Callable[[Rows], bool]


@click.command("queries")
@report.count("--hosts", 100_000)
@report.count("--images", 30)
@report.as_json
def command(hosts: int, images: int, as_json: bool) -> None:
    """Ask the operators' questions of a large fleet."""
    figures, failed = asyncio.run(_measure(InventedFleet(hosts, images)))
    report.finish("queries", figures, as_json=as_json, failed_checks=failed)


async def _measure(fleet: InventedFleet) -> tuple[dict[str, float | int], list[str]]:
    with tempfile.TemporaryDirectory(prefix="imagedrift-bench-") as home:
        Path(home).chmod(0o755)
        async with PostgresServer.start(Path(home), settings=SETTINGS) as server:
            await migrate(server.dsn())
            connection = await asyncpg.connect(server.dsn())
            report.progress.print(f"writing {fleet.hosts * fleet.images} rows")
            truth = await seed(connection, fleet)
            figures: dict[str, float | int] = {"hosts": fleet.hosts, "images": fleet.images}
            figures["count_fleet"] = await _count(server.dsn())
            failed = []
            questions = [*_of_hosts(fleet, truth), *_of_images(fleet, truth)]
            planning = await asyncpg.connect(server.dsn(), statement_cache_size=0)
            for name, asked_on, question in [
                *((question.name, connection, question) for question in questions),
                ("outdated_on_host_planned_anew", planning, questions[0]),
            ]:
                figures[name], good = await _ask(asked_on, question)
                if not good:
                    failed.append(f"{name}: the answer is wrong")
            report.progress.print("what is due")
            await due.add_versions(connection, fleet)
            await due.decide(connection, fleet)
            found, wrong = await due.measure(server.dsn(), fleet)
            await connection.close()
            await planning.close()
            figures |= found
            failed += wrong
    return figures, failed


async def _count(dsn: str) -> float:
    """Count hosts and images, as ingest does once a minute; the milliseconds that it takes."""
    clock, health = SystemClock(), Health()
    async with database(dsn, connections=1, health=health, clock=clock) as opened:
        began = time.perf_counter()
        await FleetCountTables(opened).count_hosts_and_images()
        return round((time.perf_counter() - began) * 1000, 2)


async def _ask(connection: asyncpg.Connection, question: OperatorQuestion) -> tuple[float, bool]:
    """Run a query several times; return the median in milliseconds and whether it was right."""
    report.progress.print(question.name)
    times = []
    rows: Rows = []
    for _ in range(REPEATS + 1):
        began = time.perf_counter()
        rows = await connection.fetch(question.sql, *question.arguments)
        times.append((time.perf_counter() - began) * 1000)
    return round(statistics.median(times[1:]), 2), question.right(rows)


def _of_hosts(fleet: InventedFleet, truth: Truth) -> list[OperatorQuestion]:
    host = fleet.hosts // 2
    worst = [n for _, n in truth.outdated_of_host.most_common(20)]
    return [
        OperatorQuestion(
            "outdated_on_host",
            "SELECT * FROM ops.outdated WHERE site = $1 AND host = $2",
            (SITE, fleet.host(host)),
            lambda rows: len(rows) == truth.outdated_of_host[host],
        ),
        OperatorQuestion(
            "fleet_summary",
            "SELECT * FROM ops.fleet_summary",
            (),
            lambda rows: _is_summary(rows[0], fleet, truth),
        ),
        OperatorQuestion(
            "silent_hosts",
            "SELECT site, host, silent_for FROM ops.hosts WHERE silent ORDER BY silent_for DESC",
            (),
            lambda rows: len(rows) == truth.silent_hosts,
        ),
        OperatorQuestion(
            "worst_hosts",
            "SELECT * FROM ops.worst_hosts LIMIT 20",
            (),
            lambda rows: [row["outdated"] for row in rows] == worst,
        ),
        OperatorQuestion(
            "worst_hosts_now",
            "SELECT * FROM ops.host_counts ORDER BY outdated DESC LIMIT 20",
            (),
            lambda rows: [row["outdated"] for row in rows] == worst,
        ),
        OperatorQuestion(
            "hosts_page",
            "SELECT * FROM ops.hosts ORDER BY hostname LIMIT 50",
            (),
            lambda rows: rows[0]["host"] == fleet.host(0),
        ),
        OperatorQuestion(
            "places",
            "SELECT * FROM ops.places WHERE level = 1 ORDER BY outdated DESC",
            (),
            lambda rows: sum(row["hosts"] for row in rows) == fleet.hosts,
        ),
    ]


def _of_images(fleet: InventedFleet, truth: Truth) -> list[OperatorQuestion]:
    top = [n for _, n in truth.outdated_of_reference.most_common(20)]
    rare = min(truth.hosts_with_digest.items(), key=lambda item: abs(item[1] - 200))
    popular = max(truth.outdated_of_reference, key=lambda key: truth.outdated_of_reference[key])
    return [
        OperatorQuestion(
            "top_images",
            "SELECT * FROM ops.images ORDER BY outdated_hosts DESC LIMIT 20",
            (),
            lambda rows: [row["outdated_hosts"] for row in rows] == top,
        ),
        OperatorQuestion(
            "hosts_running_digest",
            f"{OF_DIGEST} LIMIT 10000",
            ([fleet.digest(*rare[0])],),
            lambda rows: len(rows) == rare[1],
        ),
        OperatorQuestion(
            "hosts_running_digest_without_limit",
            OF_DIGEST,
            ([fleet.digest(*rare[0])],),
            lambda rows: len(rows) == rare[1],
        ),
        OperatorQuestion(
            "longest_outdated",
            "SELECT host, reference, outdated_for FROM ops.longest_outdated LIMIT 20",
            (),
            lambda rows: len(rows) == min(20, truth.verdicts["outdated"]),
        ),
        OperatorQuestion(
            "longest_outdated_now",
            "SELECT host, reference, outdated_for FROM ops.outdated"
            " ORDER BY outdated_for DESC LIMIT 20",
            (),
            lambda rows: len(rows) == min(20, truth.verdicts["outdated"]),
        ),
        OperatorQuestion(
            "one_image",
            "SELECT * FROM ops.images WHERE reference = $1",
            (fleet.reference(popular),),
            lambda rows: rows[0]["outdated_hosts"] == truth.outdated_of_reference[popular],
        ),
    ]


def _is_summary(row: asyncpg.Record, fleet: InventedFleet, truth: Truth) -> bool:
    expected = {"hosts": fleet.hosts, "silent_hosts": truth.silent_hosts, "images": truth.images}
    return all(row[name] == value for name, value in (expected | truth.verdicts).items())
