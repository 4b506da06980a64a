"""Reading due images from the views of `ops`."""

from collections.abc import Sequence
from datetime import timedelta
from typing import Final

import asyncpg

from imagedrift_notifier.adapters.database import NotifierDatabase
from imagedrift_notifier.core.due_group import Candidate, DueGroup, Topic
from imagedrift_notifier.core.route import MessageRoute

FAILING_FOR: Final = timedelta(minutes=15)
"""How long a reference fails before its registry is told of."""


class DueViews:
    """Reads what a route may tell."""

    def __init__(self, database: NotifierDatabase) -> None:
        self._database = database

    async def of_reference(self, route: MessageRoute, reference: str) -> list[DueGroup]:
        """Read all that is due of a reference on the hosts of a route. Raises `DatabaseAway`."""
        if not route.tells_of(reference):
            return []
        values = {
            "reference": reference,
            "sites": list(route.hosts.sites) or None,
            "places": list(route.hosts.places) or None,
            "labels": route.hosts.labels,
        }
        rows: list[asyncpg.Record] = []
        if {"outdated", "version"} & {*route.kinds}:
            rows += await self._database.rows("due", **values)
        if "missing" in route.kinds:
            rows += await self._database.rows("missing", **values)
        groups = [_group(row, reference) for row in rows]
        return [group for group in groups if group.topic.kind in route.kinds]

    async def errors(self, registry: str = "") -> list[DueGroup]:
        """Read which registries fail: of one, or of all. Raises `DatabaseAway`."""
        rows = await self._database.rows(
            "errors", failing_for=FAILING_FOR, registry=registry or None
        )
        return [_group(row, row["reference"]) for row in rows]

    async def candidates(
        self, routes: Sequence[MessageRoute], behind: str, most: int
    ) -> Sequence[Candidate]:
        """Name references that may be due, those behind a name. Raises `DatabaseAway`."""
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
        """Name every reference that may be due. Raises `DatabaseAway`."""
        return [row["reference"] for row in await self._database.rows("due_references")]


def _group(row: asyncpg.Record, reference: str) -> DueGroup:
    return DueGroup(
        topic=Topic(row["kind"], reference, row["target"]),
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
