"""Inventories in PostgreSQL: gate, then reconcile, in one transaction a batch.

Rules:
- Rows of hosts are locked in id order, always, so that replicas wait but never deadlock.
- The gate decides who is newer (P5); a message that is not costs nothing more.
- A first inventory is copied: there is nothing to compare it with.
- An unchanged host costs its heartbeat row; its images are neither decoded nor read.
- Should a remembered row have gone meanwhile, the gate misses it, or a foreign key says so, and
  all keys are forgotten.
"""

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any

import asyncpg
import msgspec

from imagedrift_ingest.adapters.postgres.bookmarks import Bookmarks
from imagedrift_ingest.adapters.postgres.connect import Database, arguments
from imagedrift_ingest.adapters.postgres.dictionary import Comparison, Dictionary
from imagedrift_ingest.adapters.postgres.keys import SQL, HostKeys, RowsGone
from imagedrift_ingest.core import quota
from imagedrift_ingest.core.images import Facts, HostImages, ImageKey, own_facts
from imagedrift_ingest.core.inventories import HostName, Said
from imagedrift_ingest.service import Away, ImagesNeeded
from imagedrift_runtime import metrics
from imagedrift_schemas import subjects
from imagedrift_schemas.v1 import LocalImage

COLUMNS = ("host_id", "comparison_id", "running", "tagged", "shared", "since", "own", "containers")
SEPARATOR = "\x1f"
"""A control character, so part of no container's name."""


class Hosts:
    """The hosts and what they have."""

    def __init__(
        self,
        database: Database,
        dictionary: Dictionary,
        keys: HostKeys | None = None,
        on_new_images: Callable[[], None] = lambda: None,
        bookmarks: Bookmarks | None = None,
    ) -> None:
        self._database = database
        self._on_new_images = on_new_images
        self._dictionary = dictionary
        self._keys = keys or HostKeys(database, dictionary)
        self._bookmarks = bookmarks or Bookmarks(database, subjects.STREAM_INVENTORY)

    async def changed(self, said: Sequence[Said]) -> set[HostName]:
        """Tell whose images have to be read, because their hash is not what is stored."""
        ids = await self._keys.of([*map(_name, said)])
        columns = [ids[_name(one)] for one in said], [one.content for one in said]
        changed = {row["host_id"] for row in await self._database.fetch(SQL["changed"], *columns)}
        return {_name(one) for one in said if ids[_name(one)] in changed}

    async def remember(
        self,
        epoch: int,
        said: Sequence[Said],
        images: Mapping[HostName, HostImages],
        *,
        surely_newest: bool = False,
    ) -> set[int]:
        """Store what hosts said, and return the sequences of those in doubt, which are not stored.

        Raises `ImagesNeeded` when a host changed meanwhile whose images were not given.
        """
        ids = await self._keys.of([*map(_name, said)])
        made = self._dictionary.made
        keys = await self._dictionary.keys_of({ids[n]: read.images for n, read in images.items()})
        images = {name: quota.stored(read, keys) for name, read in images.items()}

        async def work(connection: asyncpg.Connection) -> tuple[int, int, set[int]]:
            columns = _gate(said, ids, images)
            found = await connection.fetch(SQL["gate"], *columns, epoch, surely_newest)
            if len(found) < len(said):
                raise RowsGone
            taken = ("newer", "doubtful") if surely_newest else ("newer",)
            accepted = [row for row in found if row["message_order"] in taken]
            by_id = {ids[one.site, one.host]: one for one in said}
            await _rename(connection, [by_id[r["host_id"]] for r in accepted if r["renamed"]], ids)
            news = [row for row in accepted if row["changed"]]
            needed = {_name(by_id[row["host_id"]]) for row in news} - images.keys()
            if needed:
                raise ImagesNeeded(needed)
            first = [by_id[row["host_id"]] for row in news if row["first"]]
            await _copy(connection, _rows(first, ids, images, keys))
            moved = [by_id[row["host_id"]] for row in news if not row["first"]]
            since = {ids[_name(one)]: one.seen_at for one in moved}
            await _reconcile(connection, since, _rows(moved, ids, images, keys))
            doubted = {row["seq"] for row in found if row["message_order"] == "doubtful"}
            return len(accepted), len(news), set() if surely_newest else doubted

        try:
            last = max((one.seq for one in said), default=0)
            accepted, changed, doubted = await self._bookmarks.transaction(epoch, last, work)
        except (RowsGone, asyncpg.ForeignKeyViolationError) as error:
            self._keys.forget()
            raise Away("a remembered row was gone") from error
        for read in images.values():
            for reason, count in read.left_out.items():
                metrics.images_left_out.add(count, reason=reason)
        metrics.inventories.add(changed, outcome="changed")
        metrics.inventories.add(accepted - changed, outcome="unchanged")
        metrics.inventories.add(len(said) - accepted - len(doubted), outcome="older")
        if self._dictionary.made > made:
            self._on_new_images()
        return doubted


def _name(said: Said) -> HostName:
    return said.site, said.host


def _gate(
    said: Sequence[Said],
    ids: Mapping[HostName, int],
    images: Mapping[HostName, HostImages],
) -> tuple[list[Any], ...]:
    rows: list[tuple[Any, ...]] = [
        (
            ids[_name(one)],
            one.seq,
            one.content,
            one.about,
            one.seen_at,
            one.envelope.interval_s,
            one.envelope.degraded,
            *_counts(images.get(_name(one))),
        )
        for one in said
    ]
    return arguments(rows, 9)


def _counts(read: HostImages | None) -> tuple[int | None, str | None]:
    if read is None:
        return None, None
    return len(read.images), msgspec.json.encode(read.left_out).decode()


def _rows(
    said: Sequence[Said],
    ids: Mapping[HostName, int],
    images: Mapping[HostName, HostImages],
    keys: Mapping[ImageKey, Comparison],
) -> list[tuple[Any, ...]]:
    """Lay out the rows of hosts as `COLUMNS`, in key order: the index fills from left to right."""
    rows: list[tuple[Any, ...]] = []
    for host_id, one in sorted((ids[_name(one)], one) for one in said):
        since = one.seen_at
        rows += [
            (
                host_id,
                (comparison := keys[image.key]).comparison_id,
                image.local.running,
                image.local.tagged,
                image.shared,
                since,
                _own(image.local, comparison.facts),
                image.local.containers or None,
            )
            for image in images[_name(one)].images
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
    """Bring the rows of hosts, each with the moment of its inventory, to what is given."""
    if since:
        columns = arguments([(*row[:-1], _joined(row[-1])) for row in rows], 8)
        await connection.execute(SQL["reconcile"], *columns, list(since), list(since.values()))


async def _rename(
    connection: asyncpg.Connection, said: Sequence[Said], ids: Mapping[HostName, int]
) -> None:
    rows: list[tuple[Any, ...]] = []
    for one in said:
        about = one.envelope
        labels = msgspec.json.encode(about.labels).decode()
        where = (ids[_name(one)], about.hostname, labels, about.place, about.os, about.arch)
        programs = (about.engine, about.engine_version, about.agent_version)
        skipped = msgspec.json.encode(about.skipped).decode()
        rows.append((*where, *programs, skipped, one.seen_at))
    if rows:
        await connection.execute(SQL["describe_hosts"], *arguments(sorted(rows), 11))
