"""Heartbeats in PostgreSQL: one narrow update a host, found by its key.

A heartbeat names the images that the host has, by their hash. Where other ones are stored although
they had time to come, `behind` is noted: the inventory is still on its way, or was refused.
"""

from collections.abc import Mapping
from datetime import datetime, timedelta
from operator import itemgetter
from typing import TypeAlias

import asyncpg

from imagedrift_ingest.adapters.postgres.connection import Database, arguments
from imagedrift_ingest.adapters.postgres.host_ids import SQL, HostIds, RowsGone
from imagedrift_ingest.core.heartbeats import ReceivedHeartbeat
from imagedrift_ingest.core.inventories import HostName

HeartbeatRow: TypeAlias = tuple[int, bytes | None, str]
"""A host's id, the hash of its images, and the start of its agent."""


class StoredHeartbeats:
    """The hosts' last heartbeats."""

    def __init__(self, database: Database, keys: HostIds) -> None:
        self._database = database
        self._keys = keys

    async def store(self, at: datetime, heartbeats: Mapping[HostName, ReceivedHeartbeat]) -> None:
        """Note that hosts live. One that is new, or was retired, counts from now on."""
        most = max((len(each.boots) for each in heartbeats.values()), default=0)
        for turn in range(most or 1):
            some = {n: b for n, b in heartbeats.items() if turn == 0 or turn < len(b.boots)}
            await self._store_turn(at + timedelta(microseconds=turn), some, turn)

    async def _store_turn(
        self, at: datetime, heartbeats: Mapping[HostName, ReceivedHeartbeat], turn: int
    ) -> None:
        """Store of each host the start of an agent that came as this one in turn."""
        ids = await self._keys.of(heartbeats)
        for (interval_s, degraded), rows in sorted(_alike(heartbeats, ids, turn).items()):
            # Each in a transaction of its own: rows of several are not in id order together.
            columns = arguments(sorted(rows, key=itemgetter(0)), 3)
            try:
                await self._database.transaction(self._write, at, interval_s, degraded, *columns)
            except RowsGone:
                self._keys.forget()
                return await self._store_turn(at, heartbeats, turn)
        return None

    async def _write(
        self,
        connection: asyncpg.Connection,
        at: datetime,
        interval_s: int,
        degraded: str,
        ids: list[int],
        contents: list[bytes | None],
        boots: list[str],
    ) -> None:
        status = await connection.execute(
            SQL["alive"], ids, contents, at, interval_s, degraded, boots
        )
        # Seldom fewer: another replica stored a later one meanwhile, or a host's row is gone.
        written = int(status.rpartition(" ")[2])
        if written < len(ids) and await connection.fetchval(SQL["any_gone"], ids):
            raise RowsGone
        await connection.execute(SQL["unretire"], ids)


def _alike(
    heartbeats: Mapping[HostName, ReceivedHeartbeat], ids: Mapping[HostName, int], turn: int
) -> dict[tuple[int, str], list[HeartbeatRow]]:
    """Group hosts whose heartbeats have the same interval and the same fault."""
    alike: dict[tuple[int, str], list[HeartbeatRow]] = {}
    for name, heartbeat in heartbeats.items():
        boot = heartbeat.boots[turn] if heartbeat.boots else ""
        rows = alike.setdefault((heartbeat.interval_s, heartbeat.degraded), [])
        rows.append((ids[name], heartbeat.content, boot))
    return alike
