"""Reading due images from the views of `ops`."""

import asyncio
from collections.abc import Sequence
from datetime import timedelta
from typing import Final

import asyncpg

from imagedrift_notifier.adapters.database import NotifierDatabase
from imagedrift_notifier.core.due_group import Candidate, DueGroup, DueTopic, Topic
from imagedrift_notifier.core.portion import portions
from imagedrift_notifier.core.route import HostFilter, MessageRoute, TopicKind

FAILING_FOR: Final = timedelta(minutes=15)
"""How long a reference fails before its registry is told of."""
MOST_READS: Final = 2
"""Reads of hosts at once; the other connections stay free for short statements."""


class DueViews:
    """Reads the images that a route may tell of."""

    def __init__(self, database: NotifierDatabase) -> None:
        self._database = database
        self._slots = asyncio.Semaphore(MOST_READS)

    async def portions(self, references: Sequence[str]) -> list[list[str]]:
        """Part references into portions that are read at once. Raises `DatabaseUnreachable`."""
        rows = await self._database.rows("host_counts", references=list(references))
        return [*portions(references, {row["reference"]: row["hosts"] for row in rows})]

    async def due_topics(
        self, hosts: HostFilter, kinds: Sequence[TopicKind], references: Sequence[str]
    ) -> list[DueTopic]:
        """Read which topics of a portion are due on some hosts. Raises `DatabaseUnreachable`."""
        values = {
            "is_due": bool({"outdated", "version"} & {*kinds}),
            "is_missing": "missing" in kinds,
            **_values(hosts, references),
        }
        async with self._slots:
            rows = await self._database.rows("due_topics", **values)
        return [DueTopic(_topic(row), row["due_at"]) for row in rows if row["kind"] in kinds]

    async def of_references(
        self, hosts: HostFilter, kinds: Sequence[TopicKind], references: Sequence[str]
    ) -> list[DueGroup]:
        """Read the due images of some references on some hosts. Raises `DatabaseUnreachable`."""
        values = _values(hosts, references)
        rows: list[asyncpg.Record] = []
        async with self._slots:
            if {"outdated", "version"} & {*kinds}:
                rows += await self._database.rows("due", **values)
            if "missing" in kinds:
                rows += await self._database.rows("missing", **values)
        groups = [_group(row) for row in rows]
        return [group for group in groups if group.topic.kind in kinds]

    async def errors(self, registry: str = "") -> list[DueGroup]:
        """Read which registries fail: of one, or of all. Raises `DatabaseUnreachable`."""
        rows = await self._database.rows(
            "errors", failing_for=FAILING_FOR, registry=registry or None
        )
        return [_group(row) for row in rows]

    async def candidates(
        self, routes: Sequence[MessageRoute], behind: str, most: int
    ) -> Sequence[Candidate]:
        """Name references that may be due, those behind a name. Raises `DatabaseUnreachable`."""
        asked = [(route.name, kind) for route in routes for kind in route.kinds]
        rows = await self._database.rows(
            "candidates",
            routes=[name for name, _ in asked],
            kinds=[kind for _, kind in asked],
            behind=behind,
            most=most,
        )
        return [Candidate(row["reference"], frozenset(row["routes"])) for row in rows]

    async def references(self) -> Sequence[str]:
        """Name every reference that may be due. Raises `DatabaseUnreachable`."""
        return [row["reference"] for row in await self._database.rows("due_references")]


def _values(hosts: HostFilter, references: Sequence[str]) -> dict[str, object]:
    return {
        "references": list(references),
        "sites": list(hosts.sites) or None,
        "places": list(hosts.places) or None,
        "labels": hosts.labels,
    }


def _topic(row: asyncpg.Record) -> Topic:
    return Topic(row["kind"], row["reference"], row["target"])


def _group(row: asyncpg.Record) -> DueGroup:
    return DueGroup(
        topic=_topic(row),
        hosts=row["hosts"],
        running_hosts=row["running_hosts"],
        places=tuple(row["places"]),
        place_count=row["place_count"],
        from_versions=tuple(filter(None, row["from_versions"])),
        to_version=row["to_version"],
        since=row["since"],
        due_at=row["due_at"],
        detail=row["detail"],
    )
