"""Size and date of distinct images, as the host told them that was the first to have one.

They are kept once for all hosts. A host that tells others keeps its own in its row (`own_facts`),
so that none, honest or not, decides for another: one with another snapshotter has another size.
As part of the identity they would make an image of every size that a disk gives it.
"""

from collections.abc import Collection, Mapping

import asyncpg

from imagedrift_ingest.adapters.postgres.connection import Database
from imagedrift_ingest.adapters.postgres.statements import load
from imagedrift_ingest.core.bounded_cache import BoundedCache
from imagedrift_ingest.core.images import Facts

SQL = load("hosts")
MOST_REMEMBERED = 16 * 1024 * 1024
ENTRY = 400


class FirstTold:
    """The facts by comparison: they never change, so they are read once."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._known: BoundedCache[int, Facts] = BoundedCache(MOST_REMEMBERED)

    def forget(self) -> None:
        """Forget everything: the database is another one."""
        self._known = BoundedCache(MOST_REMEMBERED)

    async def of(self, comparison_ids: Collection[int]) -> Mapping[int, Facts]:
        """Return what was told first of images. One that is gone meanwhile is not in it."""
        known = self._known
        wanted = set(comparison_ids)
        found = {one: facts for one in wanted if (facts := known.get(one)) is not None}
        new = sorted(wanted - found.keys())
        if not new:
            return found

        async def work(connection: asyncpg.Connection) -> list[asyncpg.Record]:
            return list(await connection.fetch(SQL["first_told"], new))

        for row in await self._database.transaction(work):
            facts = found[row["comparison_id"]] = Facts(row["size_bytes"], row["created_at"])
            known.put(row["comparison_id"], facts, ENTRY)
        return found
