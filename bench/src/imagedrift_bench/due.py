"""Measures the due images of a large fleet with 1,000 decisions, and how soon a decision shows.

A person's tool plans each query anew, so that is measured. The decisions are of every kind: 900
about one reference, 80 about references that begin alike, 20 about some hosts only. Which images
they excuse is known without asking the database.
"""

import statistics
import time
from collections.abc import Iterable
from itertools import islice
from typing import Any, Final

import asyncpg

from imagedrift_bench.seed import verdict_of
from imagedrift_sandbox.fleet.invented import SITE, InventedFleet

EXACT: Final = 900
PREFIXES: Final = 80
BY_HOST: Final = 20
REPEATS: Final = 15
COLUMNS: Final = "kind pattern is_prefix place span_s reason"
ONE_HOST: Final = "SELECT * FROM ops.due WHERE site = $1 AND host = $2"
FIRST_100: Final = "SELECT * FROM ops.due ORDER BY available_since LIMIT 100"
IGNORE: Final = "SELECT decision_id FROM ops.decide($1, '{}', 'ignore', NULL, 'a benchmark')"
UNDO: Final = "SELECT ops.undo($1, 'a benchmark')"
WRITTEN: Final = """
SELECT sum(n_tup_ins + n_tup_upd + n_tup_del)::bigint FROM pg_stat_user_tables
"""
Figures = dict[str, float | int]


async def decide(connection: asyncpg.Connection, fleet: InventedFleet) -> None:
    """Store the decisions, as so many calls of `ops.decide` would."""
    await connection.copy_records_to_table(
        "decisions", schema_name="fleet", columns=COLUMNS.split(), records=decisions(fleet)
    )
    await connection.execute("VACUUM ANALYZE fleet.decisions")


def decisions(fleet: InventedFleet) -> Iterable[tuple[Any, ...]]:
    """List the decisions as rows of `COLUMNS`."""
    for number in range(EXACT):
        reference = 2 * number + 1
        kind = "ignore" if is_ignored(reference) else "due_after"
        span = None if kind == "ignore" else 3600
        yield kind, fleet.reference(reference), False, None, span, "a benchmark"
    for number in range(PREFIXES):
        beginning = f"docker.io/fleet/app{number:03d}" if number else ""
        yield ("wait", "due_after")[number % 2], beginning, True, None, 0, "a benchmark"
    for number in range(BY_HOST):
        pattern = fleet.reference(2 * number)
        yield "ignore", pattern, False, fleet.place(number), None, "a benchmark"


def is_ignored(reference: int) -> bool:
    """Whether a decision excuses a reference on every host."""
    return reference < 2 * EXACT and reference % 4 == 1


async def measure(dsn: str, fleet: InventedFleet) -> tuple[Figures, list[str]]:
    """Ask what is due, and decide; the figures, and the checks that failed."""
    asking = await asyncpg.connect(dsn, statement_cache_size=0)
    deciding = await asyncpg.connect(dsn)
    number = next(n for n in range(fleet.hosts // 2, fleet.hosts) if _due_on(fleet, n))
    host, due = (SITE, fleet.host(number)), _due_on(fleet, number)
    try:
        one_host, rows = await _ask(asking, ONE_HOST, *host)
        first, hundred = await _ask(asking, FIRST_100)
        visible, missed = await _show(deciding, asking, fleet.reference(due[0]), host)
        written = await _written(deciding, fleet.reference(due[0]))
    finally:
        await asking.close()
        await deciding.close()
    figures: Figures = {
        "due_one_host": one_host,
        "due_first_100": first,
        "decision_visible": visible,
        "rows_per_decision": written,
    }
    checks = {
        "due_one_host: the answer is wrong": len(rows) == len(due),
        "due_first_100: the answer is wrong": len(hundred) == _due_up_to(fleet, 100)
        and not any(is_ignored(int(row["repository"][-5:])) for row in hundred),
        "decision_visible: the image is still due": not missed,
        "rows_per_decision: more than its own row": written == 1,
    }
    return figures, [words for words, held in checks.items() if not held]


def _due_on(fleet: InventedFleet, host: int) -> list[int]:
    """List the references that are due on a host."""
    return [held.reference for held in fleet.held(host) if _is_due(fleet, host, held)]


def _due_up_to(fleet: InventedFleet, most: int) -> int:
    """Count the images of the fleet that are due, up to a number."""
    images = (True for host, held in fleet.rows() if _is_due(fleet, host, held))
    return sum(islice(images, most))


def _is_due(fleet: InventedFleet, host: int, held: Any) -> bool:
    """Read the decisions for one image of one host."""
    if verdict_of(held) != "outdated" or is_ignored(held.reference):
        return False
    number, odd = divmod(held.reference, 2)
    if odd or number >= BY_HOST:
        return True
    inside, place = fleet.place(host), fleet.place(number)
    return not (inside == place or inside.startswith(f"{place}/"))


async def _ask(
    connection: asyncpg.Connection, sql: str, *arguments: object
) -> tuple[float, list[asyncpg.Record]]:
    """Ask several times; the median in milliseconds, and the rows."""
    times = []
    for _ in range(REPEATS + 1):
        began = time.perf_counter()
        rows = await connection.fetch(sql, *arguments)
        times.append((time.perf_counter() - began) * 1000)
    return round(statistics.median(times[1:]), 2), rows


async def _show(
    deciding: asyncpg.Connection,
    asking: asyncpg.Connection,
    reference: str,
    host: tuple[str, str],
) -> tuple[float, int]:
    """Ignore an image and ask what is due; the median, and how often it was due still."""
    times, missed = [], 0
    for _ in range(REPEATS):
        began = time.perf_counter()
        key = await deciding.fetchval(IGNORE, reference)
        rows = await asking.fetch(ONE_HOST, *host)
        times.append((time.perf_counter() - began) * 1000)
        missed += any(row["reference"] == reference for row in rows)
        await deciding.execute(UNDO, key)
    return round(statistics.median(times), 2), missed


async def _written(connection: asyncpg.Connection, reference: str) -> int:
    """Decide once; how many rows that wrote in all tables."""
    counts = []
    for sql in ("SELECT 1 WHERE $1 <> ''", IGNORE):
        await connection.fetch(sql, reference)
        await connection.execute("SELECT pg_stat_force_next_flush()")
        counts.append(await connection.fetchval(WRITTEN))
    return int(counts[1] - counts[0])
