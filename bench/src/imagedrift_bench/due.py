"""Measures the due images of a large fleet with 1,000 decisions, and how soon a decision shows.

A person's tool plans each query anew, so that is measured; for one host also what it takes when it
is planned already, as for a dashboard. The decisions are of every kind: 900 about one reference, 80
about references that begin alike, 20 about some hosts only. One reference in three has a newer
minor version, and one decision asks for those of all. What is due is known without the database.
"""

import statistics
import time
from collections.abc import Iterable
from datetime import timedelta
from itertools import islice
from typing import Any, Final

import asyncpg

from imagedrift_bench.report import Figures
from imagedrift_bench.seed import verdict_of
from imagedrift_runtime.clock import now
from imagedrift_sandbox.fleet.invented import SITE, InventedFleet

EXACT: Final = 900
PREFIXES: Final = 80
BY_HOST: Final = 20
REPEATS: Final = 15
WITHIN: Final = 40
"""The prefix that asks for minor versions of every reference."""
NEWER_EVERY: Final = 3
COLUMNS: Final = "kind pattern is_prefix place span_s step reason"
ONE_HOST: Final = "SELECT * FROM ops.due WHERE site = $1 AND host = $2"
FIRST_100: Final = "SELECT * FROM ops.due ORDER BY available_since LIMIT 100"
EXCUSED_100: Final = "SELECT * FROM ops.excused ORDER BY available_since LIMIT 100"
VERSIONS: Final = (
    "SELECT * FROM ops.versions WHERE behind > 0 ORDER BY running_hosts DESC LIMIT 100"
)
IGNORE: Final = "SELECT decision_id FROM ops.decide($1, '{}', 'ignore', NULL, 'a benchmark')"
UNDO: Final = "SELECT ops.undo($1, 'a benchmark')"
WRITTEN: Final = """
SELECT sum(n_tup_ins + n_tup_upd + n_tup_del)::bigint FROM pg_stat_user_tables
"""
Rows = list[asyncpg.Record]


async def decide(connection: asyncpg.Connection, fleet: InventedFleet) -> None:
    """Store the decisions, as so many calls of `ops.decide` would."""
    await connection.copy_records_to_table(
        "decisions", schema_name="fleet", columns=COLUMNS.split(), records=decisions(fleet)
    )
    await connection.execute("VACUUM ANALYZE fleet.decisions")


async def add_versions(connection: asyncpg.Connection, fleet: InventedFleet) -> None:
    """Store newer versions of references, as lists and their candidates would."""
    for table, columns, rows in _versions(fleet):
        await connection.copy_records_to_table(
            table, schema_name="fleet", columns=columns.split(), records=rows, timeout=900
        )
    await connection.execute("VACUUM ANALYZE", timeout=600)


def _versions(fleet: InventedFleet) -> Iterable[tuple[str, str, Iterable[tuple[Any, ...]]]]:
    """List the rows of newer versions: by table, with their columns."""
    at = now()
    references = range(fleet.references)
    newer = [number for number in references if has_newer(number)]
    last = fleet.references + 1
    names = {number: fleet.reference(number).removesuffix(":stable") for number in references}
    lists = ((n + 1, "docker.io", names[n][10:], "[]", at, at) for n in references)
    yield "tag_lists", "list_id registry repository tracks listed_at changed_at", lists
    tags = ((last + n, f"{names[n]}:2", "docker.io", names[n][10:], "2", "ask") for n in newer)
    yield "image_refs", "ref_id reference registry repository tag policy", tags
    answers = ((last + n, at, fleet.digest(n, 0, "newer"), at, at) for n in newer)
    yield "answers", "ref_id remote_since remote_digest checked_at attempted_at", answers
    standing = ((n + 1, n + 1, "<1>", "1", True, True, int(has_newer(n))) for n in references)
    columns = "ref_id list_id track version is_compared is_whole behind"
    yield "versions", columns, standing
    since = ((n + 1, "minor", last + n, "newer", at - timedelta(seconds=n)) for n in newer)
    yield "newer", "ref_id step candidate_ref_id state since", since


def decisions(fleet: InventedFleet) -> Iterable[tuple[Any, ...]]:
    """List the decisions as rows of `COLUMNS`."""
    for number in range(EXACT):
        reference = 2 * number + 1
        kind = "ignore" if is_ignored(reference) else "due_after"
        span = None if kind == "ignore" else 3600
        yield kind, fleet.reference(reference), False, None, span, None, "a benchmark"
    for number in range(PREFIXES):
        beginning = f"docker.io/fleet/app{number:03d}" if number not in (0, WITHIN) else ""
        kind, span, step = (("wait", "due_after")[number % 2], 0, None)
        if number == WITHIN:
            kind, span, step = "within", None, "minor"
        yield kind, beginning, True, None, span, step, "a benchmark"
    for number in range(BY_HOST):
        pattern = fleet.reference(2 * number)
        yield "ignore", pattern, False, fleet.place(number), None, None, "a benchmark"


def is_ignored(reference: int) -> bool:
    """Whether a decision excuses a reference on every host."""
    return reference < 2 * EXACT and reference % 4 == 1


def has_newer(reference: int) -> bool:
    """Whether a reference has a newer version."""
    return reference % NEWER_EVERY == 0


async def measure(dsn: str, fleet: InventedFleet) -> tuple[Figures, list[str]]:
    """Ask for the due images, and decide; returns the figures, and the checks that failed."""
    asking = await asyncpg.connect(dsn, statement_cache_size=0)
    deciding = await asyncpg.connect(dsn)
    number = next(n for n in range(fleet.hosts // 2, fleet.hosts) if _due_on(fleet, n))
    host, due = (SITE, fleet.host(number)), _due_on(fleet, number)
    try:
        one_host, _ = await _ask(deciding, ONE_HOST, *host)
        anew, rows = await _ask(asking, ONE_HOST, *host)
        first, hundred = await _ask(asking, FIRST_100)
        excused, put_off = await _ask(asking, EXCUSED_100)
        versions, newer = await _ask(asking, VERSIONS)
        visible, missed = await _show(deciding, asking, fleet.reference(due[0]), host)
        written = await _written(deciding, fleet.reference(due[0]))
    finally:
        await asking.close()
        await deciding.close()
    figures: Figures = {
        "due_one_host": one_host,
        "due_one_host_planned_anew": anew,
        "due_first_100": first,
        "excused_first_100": excused,
        "versions": versions,
        "decision_visible": visible,
        "rows_per_decision": written,
    }
    checks = {
        "due_one_host: the answer is wrong": len(rows) == len(due),
        "due_first_100: the answer is wrong": _are_due(fleet, hundred),
        "excused_first_100: the answer is wrong": _are_excused(fleet, put_off),
        "versions: the answer is wrong": _are_newer(fleet, newer),
        "decision_visible: the image is still due": not missed,
        "rows_per_decision: more than its own row": written == 1,
    }
    return figures, [words for words, held in checks.items() if not held]


def _are_due(fleet: InventedFleet, rows: Rows) -> bool:
    """Tell whether so many are due, and none that a decision excuses."""
    right = len(rows) == _up_to(fleet, 100, excused=False)
    return right and not any(is_ignored(int(row["repository"][-5:])) for row in rows)


def _are_excused(fleet: InventedFleet, rows: Rows) -> bool:
    """Tell whether so many are excused, each by being ignored."""
    right = len(rows) == _up_to(fleet, 100, excused=True)
    return right and all(row["kind"] == "ignore" for row in rows)


def _are_newer(fleet: InventedFleet, rows: Rows) -> bool:
    """Tell whether so many have a newer version, which is the next minor one."""
    right = len(rows) == min(100, -(-fleet.references // NEWER_EVERY))
    return right and all(row["newest_minor"] == "2" for row in rows)


def _due_on(fleet: InventedFleet, host: int) -> list[int]:
    """List the references that are due on a host, once for each cause."""
    behind = _behind_on(fleet, host)
    return [reference for reference in behind if not _is_excused(fleet, host, reference)]


def _behind_on(fleet: InventedFleet, host: int) -> list[int]:
    """List the references that are due on a host or excused, once for each cause."""
    return [
        held.reference
        for held in fleet.images_of(host)
        for is_cause in (verdict_of(held) == "outdated", has_newer(held.reference))
        if is_cause
    ]


def _up_to(fleet: InventedFleet, most: int, *, excused: bool) -> int:
    """Count the images of the fleet that are excused, or due, up to a number."""
    images = (
        reference
        for host in range(fleet.hosts)
        for reference in _behind_on(fleet, host)
        if _is_excused(fleet, host, reference) == excused
    )
    return len(list(islice(images, most)))


def _is_excused(fleet: InventedFleet, host: int, reference: int) -> bool:
    """Read the decisions for one image of one host."""
    if is_ignored(reference):
        return True
    number, odd = divmod(reference, 2)
    if odd or number >= BY_HOST:
        return False
    inside, place = fleet.place(host), fleet.place(number)
    return inside == place or inside.startswith(f"{place}/")


async def _ask(
    connection: asyncpg.Connection, sql: str, *arguments: object
) -> tuple[float, list[asyncpg.Record]]:
    """Ask several times and return the median in milliseconds, and the rows."""
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
    """Ignore an image and ask for the due ones; the median, and how often it was due still."""
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
    """Decide once and return how many rows that wrote in all tables."""
    counts = []
    for sql in ("SELECT 1 WHERE $1 <> ''", IGNORE):
        await connection.fetch(sql, reference)
        await connection.execute("SELECT pg_stat_force_next_flush()")
        counts.append(await connection.fetchval(WRITTEN))
    return int(counts[1] - counts[0])
