"""Signs of life in PostgreSQL: one narrow update a host, found by its key.

A sign names the images that the host has, by their hash. Where other ones are stored although
they had time to come, `behind` is noted: the inventory is still on its way, or was refused.
"""

from collections.abc import Mapping
from datetime import datetime, timedelta
from operator import itemgetter

import asyncpg

from imagedrift_ingest.adapters.postgres.connect import Database, arguments
from imagedrift_ingest.adapters.postgres.keys import SQL, HostKeys, RowsGone
from imagedrift_ingest.core.inventories import HostName, Sign


class Signs:
    """The hosts' signs of life."""

    def __init__(self, database: Database, keys: HostKeys) -> None:
        self._database = database
        self._keys = keys

    async def note(self, at: datetime, signs: Mapping[HostName, Sign]) -> None:
        """Note that hosts live. One that is new, or was retired, counts from now on."""
        for turn in range(max((len(sign.boots) for sign in signs.values()), default=0) or 1):
            speaking = {n: s for n, s in signs.items() if turn == 0 or turn < len(s.boots)}
            await self._note(at + timedelta(microseconds=turn), speaking, turn)

    async def _note(self, at: datetime, signs: Mapping[HostName, Sign], turn: int) -> None:
        ids = await self._keys.of(signs)
        alike: dict[tuple[int, str], list[tuple[int, bytes | None, str]]] = {}
        for name, sign in signs.items():
            boot = sign.boots[turn] if sign.boots else ""
            alike.setdefault((sign.interval_s, sign.degraded), []).append(
                (ids[name], sign.content, boot)
            )
        for (interval_s, degraded), rows in sorted(alike.items()):
            # Each in a transaction of its own: rows of several are not in id order together.
            columns = arguments(sorted(rows, key=itemgetter(0)), 3)
            try:
                await self._write(at, interval_s, degraded, *columns)
            except RowsGone:
                self._keys.forget()
                return await self._note(at, signs, turn)
        return None

    async def _write(
        self,
        at: datetime,
        interval_s: int,
        degraded: str,
        ids: list[int],
        contents: list[bytes | None],
        boots: list[str],
    ) -> None:
        async def work(connection: asyncpg.Connection) -> None:
            values = (ids, contents, at, interval_s, degraded, boots)
            status = await connection.execute(SQL["alive"], *values)
            # Seldom fewer: a host has spoken through another replica meanwhile, or its row is gone.
            if int(status.rpartition(" ")[2]) < len(ids) and await connection.fetchval(
                SQL["any_gone"], ids
            ):
                raise RowsGone
            await connection.execute(SQL["welcome_back"], ids)

        await self._database.transaction(work)
