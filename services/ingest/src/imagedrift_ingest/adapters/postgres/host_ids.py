"""The ids of hosts in PostgreSQL, kept in memory.

Rules:
- An id is never given again, also not by a database that was restored to an earlier moment
  (`fleet.new_key`). So a remembered id is of the same host as ever, or of none. A statement that
  works with ids has to notice that a row is gone, and only that.
- When rows are gone, every id is forgotten, those of images too, and found or inserted again.
- Every host that sent a message has a row.
"""

from collections.abc import Collection, Mapping

import asyncpg

from imagedrift_ingest.adapters.postgres.comparisons import ComparisonIds
from imagedrift_ingest.adapters.postgres.connection import Database, arguments
from imagedrift_ingest.adapters.postgres.statements import load
from imagedrift_ingest.core.inventories import HostName

SQL = load("hosts")
MOST_REMEMBERED = 500_000


class RowsGone(Exception):
    """Ids were used whose rows are not there any more."""


class HostIds:
    """The ids of hosts, by name. A batch keeps the ones that it began with."""

    def __init__(self, database: Database, comparisons: ComparisonIds) -> None:
        self._database = database
        self._comparisons = comparisons
        self._ids: dict[HostName, int] = {}

    async def of(self, names: Collection[HostName]) -> Mapping[HostName, int]:
        """Return keys that have all of the hosts, making rows for new ones."""
        ids = self._ids
        new = sorted({name for name in names if name not in ids})
        if not new:
            return ids

        found = await self._database.transaction(_find_or_insert, new)
        if len(ids) > MOST_REMEMBERED:
            ids = self._ids = {name: ids[name] for name in names if name in ids}
        ids.update({(row["site"], row["host"]): row["host_id"] for row in found})
        return ids

    def forget(self) -> None:
        """Forget every key."""
        self._comparisons.forget()
        self._ids = {}


async def _find_or_insert(
    connection: asyncpg.Connection, names: list[HostName]
) -> list[asyncpg.Record]:
    columns = arguments(names, 2)
    found = await connection.fetch(SQL["select_ids"], *columns)
    if len(found) < len(names):
        await connection.execute(SQL["insert_hosts"], *columns)
        found = await connection.fetch(SQL["select_ids"], *columns)
    return found
