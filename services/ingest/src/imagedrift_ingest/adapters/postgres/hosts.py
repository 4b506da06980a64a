"""Inventories and heartbeats in PostgreSQL: gate, then reconcile, in one transaction a batch.

Rules:
- Rows of hosts are locked in id order, always, so that replicas wait but never deadlock.
- The gate decides who is newer (P5); a message that is not costs nothing more.
- A first inventory is copied: there is nothing to compare it with.
- An unchanged host costs its heartbeat row; its images are neither decoded nor read.
- Keys of hosts are kept in memory. Should a row have gone meanwhile, the foreign key says so and
  everything remembered is forgotten.
"""

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any

import asyncpg
import msgspec
from msgspec import Struct

from imagedrift_ingest.adapters.postgres.connect import Database, arguments
from imagedrift_ingest.adapters.postgres.dictionary import Dictionary
from imagedrift_ingest.adapters.postgres.statements import load
from imagedrift_ingest.core.inventories import Image, ImageKey, Said
from imagedrift_ingest.service import Away, HostName, ImagesNeeded, Sign
from imagedrift_runtime import metrics

SQL = load("hosts")
MOST_REMEMBERED = 500_000
COLUMNS = ("host_id", "comparison_id", "running", "tagged", "shared", "since", "containers")
SEPARATOR = "\x1f"
"""A control character, so part of no container's name."""


class Known(Struct, frozen=True):
    """Keys of hosts, and of which filling of the database they are."""

    generation: object
    ids: dict[HostName, int]


class Hosts:
    """The hosts and what they have."""

    def __init__(
        self,
        database: Database,
        dictionary: Dictionary,
        on_new_images: Callable[[], None] = lambda: None,
    ) -> None:
        self._database = database
        self._on_new_images = on_new_images
        self._dictionary = dictionary
        self._known = Known(None, {})

    async def changed(self, said: Sequence[Said]) -> set[HostName]:
        """Tell whose images have to be read, because their hash is not what is stored."""
        known = await self._identify(said)

        async def work(connection: asyncpg.Connection) -> set[int] | None:
            if await connection.fetchval(SQL["generation"]) != known.generation:
                return None
            of = [known.ids[_name(one)] for one in said]
            rows = await connection.fetch(SQL["changed"], of, [one.content for one in said])
            return {row["host_id"] for row in rows}

        changed = await self._database.transaction(work)
        if changed is None:
            await self._forget()
            return await self.changed(said)
        return {_name(one) for one in said if known.ids[_name(one)] in changed}

    async def remember(
        self, epoch: int, said: Sequence[Said], images: Mapping[HostName, Sequence[Image]]
    ) -> int:
        """Store what hosts said, and return how many of them were news.

        Raises `ImagesNeeded` when a host changed meanwhile whose images were not given.
        """
        known = await self._identify(said)
        ids = known.ids
        made = self._dictionary.made
        keys = await self._dictionary.keys_of([i for of_host in images.values() for i in of_host])

        async def work(connection: asyncpg.Connection) -> tuple[int, int]:
            if await connection.fetchval(SQL["generation"]) != known.generation:
                raise Away("the database was emptied meanwhile")
            accepted = await connection.fetch(SQL["gate"], *_gate(said, ids, epoch, images))
            by_id = {ids[one.site, one.host]: one for one in said}
            await _rename(connection, [by_id[r["host_id"]] for r in accepted if r["renamed"]], ids)
            news = [row for row in accepted if row["changed"]]
            needed = {_name(by_id[row["host_id"]]) for row in news} - images.keys()
            if needed:
                raise ImagesNeeded(needed)
            fresh = [by_id[row["host_id"]] for row in news if row["first"]]
            if fresh:
                await connection.copy_records_to_table(
                    "host_images",
                    schema_name="fleet",
                    columns=COLUMNS,
                    records=_rows(fresh, ids, images, keys),
                )
            moved = [by_id[row["host_id"]] for row in news if not row["first"]]
            if moved:
                changed = [ids[_name(one)] for one in moved], [one.seen_at for one in moved]
                rows = [(*row[:-1], _joined(row[-1])) for row in _rows(moved, ids, images, keys)]
                await connection.execute(SQL["reconcile"], *arguments(rows, 7), *changed)
            return len(accepted), len(news)

        try:
            accepted, changed = await self._database.transaction(work)
        except asyncpg.ForeignKeyViolationError as error:
            await self._forget()
            raise Away("a remembered row was gone") from error
        metrics.inventories.add(changed, outcome="changed")
        metrics.inventories.add(accepted - changed, outcome="unchanged")
        metrics.inventories.add(len(said) - accepted, outcome="older")
        if self._dictionary.made > made:
            self._on_new_images()
        return accepted

    async def alive(self, at: datetime, signs: Mapping[HostName, Sign]) -> None:
        """Note that hosts live; those never heard of are left to their inventory."""
        alike: dict[tuple[str, Sign], list[str]] = {}
        for (site, host), sign in signs.items():
            alike.setdefault((site, sign), []).append(host)
        for (site, (interval_s, degraded)), hosts in sorted(alike.items()):
            # Each in a transaction of its own: rows of several are not in id order together.
            values = (site, hosts, at, interval_s, degraded)

            async def work(
                connection: asyncpg.Connection, values: tuple[Any, ...] = values
            ) -> None:
                await connection.execute(SQL["alive"], *values)

            await self._database.transaction(work)

    async def _forget(self) -> None:
        """Forget every key: the database was emptied, or this is the first look at it.

        Batches at work keep the keys that they have, and the generation that those are of.
        """

        async def work(connection: asyncpg.Connection) -> object:
            return await connection.fetchval(SQL["generation"])

        generation = await self._database.transaction(work)
        self._dictionary.forget()
        self._known = Known(generation, {})

    async def _identify(self, said: Sequence[Said]) -> Known:
        """Return the keys of hosts, making rows for new ones in a transaction of their own."""
        known = self._known
        new = sorted({_name(one) for one in said if _name(one) not in known.ids})
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
            kept = {_name(one): known.ids[_name(one)] for one in said if _name(one) in known.ids}
            known = self._known = Known(known.generation, kept)
        known.ids.update({(row["site"], row["host"]): row["host_id"] for row in found})
        return known


def _name(said: Said) -> HostName:
    return said.site, said.host


def _gate(
    said: Sequence[Said],
    ids: Mapping[HostName, int],
    epoch: int,
    images: Mapping[HostName, Sequence[Image]],
) -> tuple[Any, ...]:
    rows: list[tuple[Any, ...]] = [
        (
            ids[_name(one)],
            one.seq,
            one.content,
            one.about,
            one.seen_at,
            one.envelope.interval_s,
            one.envelope.degraded,
            len(images[_name(one)]) if _name(one) in images else None,
        )
        for one in said
    ]
    return (*arguments(rows, 8), epoch)


def _rows(
    said: Sequence[Said],
    ids: Mapping[HostName, int],
    images: Mapping[HostName, Sequence[Image]],
    keys: Mapping[ImageKey, int],
) -> list[tuple[Any, ...]]:
    """Lay out the rows of hosts as `COLUMNS`, in key order: the index fills from left to right."""
    rows: list[tuple[Any, ...]] = []
    for host_id, one in sorted((ids[_name(one)], one) for one in said):
        since = one.seen_at
        rows += [
            (
                host_id,
                keys[image.key],
                image.local.running,
                image.local.tagged,
                image.shared,
                since,
                image.local.containers or None,
            )
            for image in images[_name(one)]
        ]
    return rows


def _joined(containers: Sequence[str] | None) -> str | None:
    """Write names as one text: PostgreSQL has no arrays of arrays of different lengths."""
    return SEPARATOR.join(containers) if containers else None


async def _rename(
    connection: asyncpg.Connection, said: Sequence[Said], ids: Mapping[HostName, int]
) -> None:
    rows: list[tuple[Any, ...]] = []
    for one in said:
        about = one.envelope
        labels = msgspec.json.encode(about.labels).decode()
        where = (ids[_name(one)], about.hostname, labels, about.place, about.os, about.arch)
        rows.append((*where, about.engine, about.engine_version, about.agent_version))
    if rows:
        await connection.execute(SQL["describe_hosts"], *arguments(sorted(rows), 9))
