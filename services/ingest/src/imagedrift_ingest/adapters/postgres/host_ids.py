"""The ids of hosts in PostgreSQL, kept in memory.

Rules:
- An id is never given again, also not by a database that was restored to an earlier moment
  (`fleet.new_key`). So a remembered id is of the same host as ever, or of none. A statement that
  works with ids has to notice that a row is gone, and only that.
- When rows are gone, every id is forgotten, those of images too, and found or inserted again.
- Every host that sent a message has a row. An inventory that is its first message describes it at
  once: to do so later would write the row, and its entries in each index, a second time.
"""

from collections.abc import Collection, Mapping
from typing import Any

import asyncpg
import msgspec

from imagedrift_ingest.adapters.postgres.comparisons import ComparisonIds
from imagedrift_ingest.adapters.postgres.connection import Database, arguments
from imagedrift_ingest.adapters.postgres.statements import load
from imagedrift_ingest.core.inventories import HostName, ReceivedInventory

SQL = load("hosts")
MOST_REMEMBERED = 500_000
DESCRIBED = 10
"""Columns of a host's description, with its hash."""


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
        return await self._of(names, {})

    async def of_inventories(
        self, received: Collection[ReceivedInventory]
    ) -> Mapping[HostName, int]:
        """Return keys that have the hosts of inventories, which describe those that are new."""
        told = {one.name: one for one in received}
        return await self._of(told, told)

    async def _of(
        self, names: Collection[HostName], told: Mapping[HostName, ReceivedInventory]
    ) -> Mapping[HostName, int]:
        ids = self._ids
        new = sorted({name for name in names if name not in ids})
        if not new:
            return ids

        found = await self._database.transaction(_find_or_insert, new, told)
        if len(ids) > MOST_REMEMBERED:
            ids = self._ids = {name: ids[name] for name in names if name in ids}
        ids.update({(row["site"], row["host"]): row["host_id"] for row in found})
        return ids

    def forget(self) -> None:
        """Forget every key."""
        self._comparisons.forget()
        self._ids = {}


def description(told: ReceivedInventory) -> tuple[Any, ...]:
    """Lay out what a host says of itself, as the columns of `hosts` have it."""
    about = told.envelope
    labels, skipped = msgspec.json.encode(about.labels), msgspec.json.encode(about.skipped)
    where = (about.hostname, labels.decode(), about.place, about.os, about.arch)
    return (*where, about.engine, about.engine_version, about.agent_version, skipped.decode())


def _described(told: ReceivedInventory | None) -> tuple[Any, ...]:
    """Lay out what a new host says of itself, and the hash of that; of a heartbeat nothing."""
    return (*description(told), told.about) if told else (None,) * DESCRIBED


async def _find_or_insert(
    connection: asyncpg.Connection,
    names: list[HostName],
    told: Mapping[HostName, ReceivedInventory],
) -> list[asyncpg.Record]:
    columns = arguments(names, 2)
    found = await connection.fetch(SQL["select_ids"], *columns)
    if len(found) < len(names):
        known = {(row["site"], row["host"]) for row in found}
        rows = [(*name, *_described(told.get(name))) for name in names if name not in known]
        await connection.execute(SQL["insert_hosts"], *arguments(rows, 2 + DESCRIBED))
        found = await connection.fetch(SQL["select_ids"], *columns)
    return found
