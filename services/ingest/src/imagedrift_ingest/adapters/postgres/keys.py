"""Which row a host is: keys that are kept in memory, and void when the database is another one.

Rules:
- Keys are of one filling of the database. It was emptied, restored or has a new primary: they are
  forgotten, those of images too. Who works with keys compares the filling in the same transaction.
- Whoever speaks has a row.
"""

from collections.abc import Collection

import asyncpg
from msgspec import Struct

from imagedrift_ingest.adapters.postgres.connect import Database, arguments
from imagedrift_ingest.adapters.postgres.dictionary import Dictionary
from imagedrift_ingest.adapters.postgres.statements import load
from imagedrift_ingest.service import HostName

SQL = load("hosts")
MOST_REMEMBERED = 500_000


class Known(Struct, frozen=True):
    """Keys of hosts, and of which filling of the database they are."""

    filling: object
    ids: dict[HostName, int]


class HostKeys:
    """The keys of hosts, by name. Batches at work keep the `Known` that they began with."""

    def __init__(self, database: Database, dictionary: Dictionary) -> None:
        self._database = database
        self._dictionary = dictionary
        self._known = Known(None, {})

    async def of(self, names: Collection[HostName]) -> Known:
        """Return keys that have all of the hosts, making rows for new ones."""
        known = self._known
        new = sorted({name for name in names if name not in known.ids})
        if not new:
            return known

        async def work(connection: asyncpg.Connection) -> list[asyncpg.Record]:
            columns = arguments(new, 2)
            found = await connection.fetch(SQL["identify"], *columns)
            if len(found) < len(new):
                await connection.execute(SQL["enrol"], *columns)
                found = await connection.fetch(SQL["identify"], *columns)
            return found

        found = await self._database.transaction(work)
        if len(known.ids) > MOST_REMEMBERED:
            kept = {name: known.ids[name] for name in names if name in known.ids}
            known = self._known = Known(known.filling, kept)
        known.ids.update({(row["site"], row["host"]): row["host_id"] for row in found})
        return known

    async def are_valid(self, known: Known, connection: asyncpg.Connection) -> bool:
        """Tell in a transaction whether keys are of the database as it is."""
        return bool(await connection.fetchval(SQL["filling"]) == known.filling)

    async def forget(self) -> None:
        """Forget every key, and note which filling the next ones are of."""

        async def work(connection: asyncpg.Connection) -> object:
            return await connection.fetchval(SQL["filling"])

        filling = await self._database.transaction(work)
        self._dictionary.forget()
        self._known = Known(filling, {})
