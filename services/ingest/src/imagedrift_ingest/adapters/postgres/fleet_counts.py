"""The counts of the fleet in PostgreSQL: kept in a few small tables, and read from views."""

import uuid
from typing import Final

import asyncpg

from imagedrift_ingest.adapters.postgres.connection import Database
from imagedrift_ingest.adapters.postgres.statements import load
from imagedrift_ingest.core.fleet_counts import (
    MOST_BUDGETS,
    MOST_PLACES,
    MOST_REFERENCES,
    DatabaseFigures,
    FleetFigures,
    LastExport,
    Share,
    by_cause,
    by_state,
)

SQL = load("fleet_counts")
VERDICTS: Final = ("current", "outdated", "pinned", "local", "missing", "unknown")


class FleetCountTables:
    """The counts of the fleet, as one process makes and reads them."""

    def __init__(self, database: Database, place_levels: int = 0) -> None:
        self._database = database
        self._place_levels = place_levels
        self._process = uuid.uuid4()

    async def last_export(self) -> LastExport | None:
        """Tell which process counted last for its metrics, and when; none: no process."""
        rows = await self._database.fetch(SQL["last_export"], self._process)
        return LastExport(**rows[0]) if rows else None

    async def count_due(self) -> int:
        """Count the images that are due; 1."""
        return await self._database.execute(SQL["count_due"])

    async def count_hosts_and_images(self) -> int:
        """Count hosts and images, and find the worst hosts, all at one moment; 1."""
        return await self._database.transaction(_count, None)

    async def count_as_exporter(self) -> None:
        """Count hosts and images, and note that this process did."""
        await self._database.transaction(_count, self._process)

    async def figures(self) -> FleetFigures:
        """Return the counts, with places down to the level that is set."""
        [row] = await self._database.fetch(SQL["figures"])
        places = await self._database.fetch(SQL["place_figures"], self._place_levels, MOST_PLACES)
        references = await self._database.fetch(SQL["reference_figures"], MOST_REFERENCES)
        budgets = await self._database.fetch(SQL["budget_figures"], MOST_BUDGETS)
        [database] = await self._database.fetch(SQL["database_figures"])
        return FleetFigures(
            database=DatabaseFigures(**database),
            counted_at=row["counted_at"].timestamp(),
            hosts=by_state(row["hosts"], row["silent_hosts"], row["degraded_hosts"]),
            images={verdict: row[verdict] for verdict in VERDICTS},
            stale=row["stale"],
            due=by_cause(row["due"], row["due_versions"]),
            overdue=row["overdue"],
            waiting=row["waiting"],
            excused=row["excused"],
            places={each["place"]: Share(each["outdated"], each["hosts"]) for each in places},
            references={each["reference"]: each["outdated_hosts"] for each in references},
            budgets={
                (each["registry"], each["credential"]): Share(
                    each["rate_remaining"], each["rate_limit"]
                )
                for each in budgets
            },
        )


async def _count(connection: asyncpg.Connection, process: uuid.UUID | None) -> int:
    for name in ("count_hosts_behind", "find_troubled_hosts", "find_longest_outdated"):
        await connection.execute(SQL[name])
    await connection.execute(SQL["note_counted"], process)
    return 1
