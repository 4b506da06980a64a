"""Writes an `InventedFleet` into the database, as ingest would, and counts the truth.

One reference in a hundred has no answer; of all others the registry has the newest version. One
host in a thousand is silent.
"""

import json
from collections import Counter
from collections.abc import Iterable
from datetime import timedelta
from typing import Any, Final

import asyncpg
from msgspec import Struct

from imagedrift_ingest.adapters.postgres.statements import load
from imagedrift_runtime.clock import now
from imagedrift_sandbox.fleet.invented import NEWEST, SITE, VERSIONS, InventedFleet, InventedImage

UNANSWERED_EVERY: Final = 100
SILENT_EVERY: Final = 1000
LONG_SILENT: Final = timedelta(hours=5)
LIVELY: Final = timedelta(hours=3)
"""Longer than a benchmark takes."""


class Truth(Struct):
    """The counts that the views must show."""

    images: int = 0
    verdicts: Counter[str] = Counter()
    outdated_of_reference: Counter[int] = Counter()
    outdated_of_host: Counter[int] = Counter()
    hosts_with_digest: Counter[tuple[int, int]] = Counter()
    silent_hosts: int = 0


def verdict_of(held: InventedImage) -> str:
    """Return the right verdict of an image of the fleet."""
    if held.reference % UNANSWERED_EVERY == 0:
        return "unknown"
    return "current" if held.version == NEWEST else "outdated"


async def seed(connection: asyncpg.Connection, fleet: InventedFleet) -> Truth:
    """Fill the empty database with the fleet, and return the truth about it."""
    at = now()
    truth = Truth(verdicts=Counter(), outdated_of_reference=Counter(), outdated_of_host=Counter())
    truth.hosts_with_digest = Counter()
    await _copy(connection, "hosts", "host_id site host hostname labels place", _hosts(fleet))
    states = _states(fleet, at, truth)
    await _copy(
        connection, "host_state", "host_id seq content last_seen_at silent_at images", states
    )
    columns = "ref_id reference registry repository tag policy"
    await _copy(connection, "image_refs", columns, _references(fleet))
    columns = "ref_id seq remote_digest remote_since checked_at attempted_at next_check_at"
    await _copy(connection, "answers", columns, _answers(fleet, at))
    await _copy(connection, "remote_history", "ref_id valid_from digest", _history(fleet, at))
    columns = "comparison_id ref_id image_id repo_digests platform verdict reason verdict_since"
    await _copy(connection, "comparisons", columns, _comparisons(fleet, at))
    columns = "host_id comparison_id since running containers"
    await _copy(connection, "host_images", columns, _images(fleet, at, truth))
    await connection.execute(load("maintenance")["add_up_usage"], timeout=600)
    await connection.execute("VACUUM ANALYZE", timeout=600)
    return truth


async def _copy(
    connection: asyncpg.Connection, table: str, columns: str, rows: Iterable[tuple[Any, ...]]
) -> None:
    await connection.copy_records_to_table(
        table, schema_name="fleet", columns=columns.split(), records=rows, timeout=900
    )


def comparison_id(reference: int, version: int) -> int:
    """Return the key of a distinct image."""
    return reference * VERSIONS + version + 1


def _hosts(fleet: InventedFleet) -> Iterable[tuple[Any, ...]]:
    for number in range(fleet.hosts):
        host = fleet.host(number)
        labels = json.dumps(fleet.labels(number))
        yield number + 1, SITE, host, fleet.hostname(number), labels, fleet.place(number)


def _states(fleet: InventedFleet, at: Any, truth: Truth) -> Iterable[tuple[Any, ...]]:
    for number in range(fleet.hosts):
        silent = number % SILENT_EVERY == 0
        truth.silent_hosts += silent
        seen_at = at - LONG_SILENT if silent else at
        yield number + 1, 1, bytes(32), seen_at, seen_at + LIVELY, fleet.images


def _references(fleet: InventedFleet) -> Iterable[tuple[Any, ...]]:
    for number in range(fleet.references):
        name = fleet.reference(number)
        yield number + 1, name, "docker.io", name[10:-7], "stable", "ask"


def _answers(fleet: InventedFleet, at: Any) -> Iterable[tuple[Any, ...]]:
    later = at + timedelta(days=1)
    for number in range(fleet.references):
        if number % UNANSWERED_EVERY == 0:
            yield number + 1, 0, None, None, None, None, later
        else:
            since = at - timedelta(seconds=number)
            yield number + 1, 1, fleet.digest(number, NEWEST), since, at, at, later


def _history(fleet: InventedFleet, at: Any) -> Iterable[tuple[Any, ...]]:
    for number in range(fleet.references):
        if number % UNANSWERED_EVERY:
            yield number + 1, at - timedelta(seconds=number), fleet.digest(number, NEWEST)


def _comparisons(fleet: InventedFleet, at: Any) -> Iterable[tuple[Any, ...]]:
    reasons = {"unknown": "not_checked", "current": "digest_match", "outdated": "platform_differs"}
    for reference in range(fleet.references):
        for version in range(VERSIONS):
            verdict = verdict_of(InventedImage(reference, version, False))
            key = comparison_id(reference, version), reference + 1
            image = fleet.digest(reference, version, "id"), [fleet.digest(reference, version)]
            since = at - timedelta(seconds=reference)
            yield *key, *image, "linux/amd64", verdict, reasons[verdict], since


def _images(fleet: InventedFleet, at: Any, truth: Truth) -> Iterable[tuple[Any, ...]]:
    for number, held in fleet.rows():
        verdict = verdict_of(held)
        truth.images += 1
        truth.verdicts[verdict] += 1
        truth.hosts_with_digest[held.reference, held.version] += 1
        if verdict == "outdated":
            truth.outdated_of_reference[held.reference] += 1
            truth.outdated_of_host[number] += 1
        containers = ["app"] if held.runs else None
        key = number + 1, comparison_id(held.reference, held.version)
        yield *key, at - timedelta(seconds=number % 7), int(held.runs), containers
