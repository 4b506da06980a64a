"""Inventories in PostgreSQL: take the newer ones, then reconcile, in one transaction a batch.

Rules:
- Rows of hosts are locked in id order, always, so that replicas wait but never deadlock.
- `take_newer` decides which are newer (P5); a message that is not costs nothing more.
- A first inventory is copied: there is nothing to compare it with.
- An unchanged host costs its heartbeat row; its images are neither decoded nor read.
- Should a remembered row have gone meanwhile, `take_newer` misses it, or a foreign key says so, and
  all keys are forgotten.
"""

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any

import asyncpg
import msgspec
from msgspec import Struct

from imagedrift_ingest.adapters.postgres.bookmarks import Bookmark, Bookmarks
from imagedrift_ingest.adapters.postgres.comparisons import Comparison, ComparisonIds
from imagedrift_ingest.adapters.postgres.connection import Database, arguments
from imagedrift_ingest.adapters.postgres.host_ids import (
    SQL,
    HostIds,
    RowsGone,
    description,
)
from imagedrift_ingest.adapters.postgres.references import wake
from imagedrift_ingest.core import quota
from imagedrift_ingest.core.identities import ImageKey
from imagedrift_ingest.core.images import Facts, HostImages, own_facts
from imagedrift_ingest.core.inventories import HostName, ReceivedInventory
from imagedrift_ingest.errors import DatabaseUnavailable, MissingImages
from imagedrift_runtime import metrics
from imagedrift_schemas.v1 import LocalImage

COLUMNS = ("host_id", "comparison_id", "running", "tagged", "shared", "since", "own", "containers")
SEPARATOR = "\x1f"
"""A control character, so part of no container's name."""
CHANGES_A_DAY = 10_000
"""So many changes of a host's images are noted within a day."""


class _Batch(Struct, frozen=True):
    """Inventories of one epoch, with all that is needed to store them."""

    epoch: int
    received: Sequence[ReceivedInventory]
    images: Mapping[HostName, HostImages]
    """The images of those hosts that changed, as far as that was known."""
    ids: Mapping[HostName, int]
    keys: Mapping[ImageKey, Comparison]
    surely_newest: bool

    @property
    def read_to(self) -> int:
        """Return the last sequence of the batch."""
        return max((one.seq for one in self.received), default=0)


class _Stored(Struct, frozen=True):
    """How many inventories of a batch were newer, how many of them changed; which are in doubt."""

    newer: int
    changed: int
    in_doubt: set[int]


class HostTables:
    """The hosts and their images."""

    def __init__(
        self,
        database: Database,
        comparisons: ComparisonIds,
        keys: HostIds,
        bookmarks: Bookmarks,
        on_new_images: Callable[[], None],
    ) -> None:
        self._database = database
        self._comparisons = comparisons
        self._keys = keys
        self._bookmarks = bookmarks
        self._on_new_images = on_new_images

    async def changed(self, received: Sequence[ReceivedInventory]) -> set[HostName]:
        """Name the hosts whose images have to be read, as their hash is not the stored one."""
        ids = await self._keys.of_inventories(received)
        of = [ids[one.name] for one in received]
        rows = await self._database.fetch(SQL["changed"], of, [one.content for one in received])
        changed = {row["host_id"] for row in rows}
        return {one.name for one in received if ids[one.name] in changed}

    async def store(
        self,
        epoch: int,
        received: Sequence[ReceivedInventory],
        images: Mapping[HostName, HostImages],
        *,
        surely_newest: bool,
    ) -> set[int]:
        """Store inventories, and return the sequences of those in doubt, which are not stored.

        Raises `MissingImages` when a host changed meanwhile whose images were not given.
        """
        ids = await self._keys.of_inventories(received)
        made = self._comparisons.made
        keys = await self._comparisons.keys_of({ids[n]: read.images for n, read in images.items()})
        images = {name: quota.stored(read, keys) for name, read in images.items()}
        batch = _Batch(epoch, received, images, ids, keys, surely_newest)
        try:
            async with self._bookmarks.batch(epoch, batch.read_to) as bookmark:
                stored = await self._database.transaction(self._write, bookmark, batch)
        except (RowsGone, asyncpg.ForeignKeyViolationError) as error:
            self._keys.forget()
            raise DatabaseUnavailable("a remembered row was gone") from error
        _count(batch, stored)
        if self._comparisons.made > made:
            self._on_new_images()
        return stored.in_doubt

    async def _write(
        self, connection: asyncpg.Connection, bookmark: Bookmark, batch: _Batch
    ) -> _Stored:
        """Take the inventories that are newer, and bring their hosts' rows to them."""
        await bookmark.move(connection, batch.epoch, batch.read_to)
        found = await connection.fetch(
            SQL["take_newer"], *_compared(batch), batch.epoch, batch.surely_newest
        )
        if len(found) < len(batch.received):
            raise RowsGone
        taken = ("newer", "doubtful") if batch.surely_newest else ("newer",)
        newer = [row for row in found if row["message_order"] in taken]
        by_id = {batch.ids[one.name]: one for one in batch.received}
        await _rename(connection, [by_id[r["host_id"]] for r in newer if r["renamed"]], batch.ids)
        changed = [row for row in newer if row["changed"]]
        missing = {by_id[row["host_id"]].name for row in changed} - batch.images.keys()
        if missing:
            raise MissingImages(missing)
        first = [by_id[row["host_id"]] for row in changed if row["first"]]
        await _copy(connection, _rows(first, batch))
        later = [by_id[row["host_id"]] for row in changed if not row["first"]]
        since = {batch.ids[one.name]: one.seen_at for one in later}
        await _reconcile(connection, since, _rows(later, batch))
        await _wake(connection, [*first, *later], batch)
        doubtful = {row["seq"] for row in found if row["message_order"] == "doubtful"}
        return _Stored(len(newer), len(changed), set() if batch.surely_newest else doubtful)


def _count(batch: _Batch, stored: _Stored) -> None:
    """Count the outcomes of a batch."""
    for read in batch.images.values():
        for reason, count in read.left_out.items():
            metrics.images_left_out.add(count, reason=reason)
    metrics.inventories.add(stored.changed, outcome="changed")
    metrics.inventories.add(stored.newer - stored.changed, outcome="unchanged")
    older = len(batch.received) - stored.newer - len(stored.in_doubt)
    metrics.inventories.add(older, outcome="older")


def _compared(batch: _Batch) -> tuple[list[Any], ...]:
    """Lay out the columns that `take_newer` compares."""
    rows: list[tuple[Any, ...]] = [
        (
            batch.ids[one.name],
            one.seq,
            one.content,
            one.about,
            one.seen_at,
            one.envelope.interval_s,
            one.envelope.degraded,
            *_counts(batch.images.get(one.name)),
        )
        for one in batch.received
    ]
    return arguments(rows, 9)


def _counts(read: HostImages | None) -> tuple[int | None, str | None]:
    if read is None:
        return None, None
    return len(read.images), msgspec.json.encode(read.left_out).decode()


def _rows(received: Sequence[ReceivedInventory], batch: _Batch) -> list[tuple[Any, ...]]:
    """Lay out the rows of hosts as `COLUMNS`, in key order: the index fills from left to right."""
    rows: list[tuple[Any, ...]] = []
    for host_id, one in sorted((batch.ids[one.name], one) for one in received):
        since = one.seen_at
        rows += [
            (
                host_id,
                (comparison := batch.keys[image.key]).comparison_id,
                image.local.running,
                image.local.tagged,
                image.shared,
                since,
                _own(image.local, comparison.facts),
                image.local.containers or None,
            )
            for image in batch.images[one.name].images
        ]
    return rows


def _own(local: LocalImage, first: Facts) -> str | None:
    own = own_facts(local, first)
    return msgspec.json.encode(own).decode() if own else None


def _joined(containers: Sequence[str] | None) -> str | None:
    """Write names as one text: PostgreSQL has no arrays of arrays of different lengths."""
    return SEPARATOR.join(containers) if containers else None


async def _copy(connection: asyncpg.Connection, rows: Sequence[tuple[Any, ...]]) -> None:
    """Write the rows of hosts that had none."""
    if rows:
        await connection.copy_records_to_table(
            "host_images", schema_name="fleet", columns=COLUMNS, records=rows
        )


async def _reconcile(
    connection: asyncpg.Connection, since: Mapping[int, datetime], rows: Sequence[tuple[Any, ...]]
) -> None:
    """Bring the rows of hosts, each with the moment of its inventory, to the given images."""
    if since:
        columns = arguments([(*row[:-1], _joined(row[-1])) for row in rows], 8)
        moments = (list(since), list(since.values()))
        await connection.execute(SQL["reconcile"], *columns, *moments, CHANGES_A_DAY)


async def _wake(
    connection: asyncpg.Connection, changed: Sequence[ReceivedInventory], batch: _Batch
) -> None:
    """Make references due that nobody had, and that these hosts have an image of to compare."""
    brought = {batch.ids[one.name]: batch.images[one.name].images for one in changed}
    ref_ids = {
        batch.keys[image.key].ref_id
        for images in brought.values()
        for image in images
        if image.key.repo_digests
    }
    if ref_ids:
        await wake(connection, ref_ids, brought)


async def _rename(
    connection: asyncpg.Connection,
    received: Sequence[ReceivedInventory],
    ids: Mapping[HostName, int],
) -> None:
    rows = [(ids[one.name], *description(one), one.seen_at) for one in received]
    if rows:
        await connection.execute(SQL["describe_hosts"], *arguments(sorted(rows), 11))
