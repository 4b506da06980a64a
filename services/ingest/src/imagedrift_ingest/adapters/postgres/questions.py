"""The tags and lists that are due, from PostgreSQL.

What no host has is not due. References that turn out to be on no host rest until a host gets them.
"""

from collections.abc import Collection, Sequence
from datetime import datetime, timedelta
from typing import Any, Final, Protocol

import asyncpg

from imagedrift_ingest.adapters.postgres.connection import Database, arguments
from imagedrift_ingest.adapters.postgres.statements import load
from imagedrift_ingest.core import freshness
from imagedrift_ingest.core.questions import (
    DueList,
    DueTag,
    PublishOutcome,
    next_check_at,
    next_list_at,
)
from imagedrift_runtime.nats.topology import LANE_SLOTS
from imagedrift_schemas.constraints import MOST_TAGS
from imagedrift_schemas.v1 import List, Resolve

SQL = load("planner")
LISTS = load("lists")
MOST_AT_ONCE: Final = 1000
LISTED_AT_ONCE: Final = 50
LISTS_OF_REGISTRY: Final = 32
"""So many questions for tags of a registry are out at a time: what wants it most is asked first."""
OF_ONE_HOST: Final = LANE_SLOTS // 2
"""So many questions about the references that one host brought are out at a time.

Whatever becomes of them, the other half of a lane's slots is free for all others.
"""
LISTS_OF_ONE_HOST: Final = LISTS_OF_REGISTRY // 2
NEW_FOR_S: Final = 3.0
"""A new reference is made before the rows of its host, so it does not rest while it is so new."""
RESTED_AT_MOST: Final = 10
RESTED_AT_ONCE: Final = 5000


class BlockedRegistries(Protocol):
    """The references of registries that cannot be asked now."""

    async def reschedule(self, at: datetime) -> None:
        """Make references due when the block of their registry ends; some at a time."""


class TagQuestions:
    """The tags that are due; `outstanding`: so many of a registry are out at a time."""

    def __init__(
        self,
        database: Database,
        blocked: BlockedRegistries,
        rules: freshness.FreshnessRules,
        outstanding: int,
        of_one_host: int,
    ) -> None:
        self._database = database
        self._blocked = blocked
        self._rules = rules
        self._outstanding = outstanding
        self._of_one_host = of_one_host

    async def due(self, at: datetime) -> Sequence[DueTag]:
        """Read the references that are due; one on no host rests, and makes room for others."""
        await self._blocked.reschedule(at)
        fresh_since = at - timedelta(seconds=self._rules.freshness_s)
        for _ in range(RESTED_AT_MOST):
            if not await self._database.fetch_value(SQL["any_due"], at):
                break
            due = await self._due(at)
            wanted = [row for row in due if row["wanted"]]
            unwanted = {row["brought_by"] for row in due if not row["wanted"]}
            rested = await self._rest(at, unwanted) if unwanted else 0
            if wanted or not rested:
                return [DueTag(row["ref_id"], _resolve(row, at, fresh_since)) for row in wanted]
        return []

    async def note(self, at: datetime, asked: Sequence[tuple[DueTag, PublishOutcome]]) -> None:
        """Note that references were asked about, and when each is due again."""
        due = [
            (tag.ref_id, again)
            for tag, outcome in asked
            if (again := next_check_at(outcome, self._rules, at))
        ]
        ids, times = arguments(due, 2)
        await self._database.transaction(_note_asked, ids, at, times)

    async def _due(self, at: datetime) -> list[asyncpg.Record]:
        lapsed = freshness.lapsed_before(self._rules, at)
        return await self._database.fetch(
            SQL["due"], at, self._outstanding, MOST_AT_ONCE, lapsed, self._of_one_host
        )

    async def _rest(self, at: datetime, brought_by: Collection[int]) -> int:
        """Let references rest that hosts brought and that no host has now; how many do."""
        due_before = at - timedelta(seconds=NEW_FOR_S)
        found = await self._database.transaction(_read_unwanted, due_before, list(brought_by))
        await self._database.transaction(_let_rest, [row["ref_id"] for row in found])
        return len(found)


class ListQuestions:
    """The repositories whose tags are due to be listed."""

    def __init__(self, database: Database, rules: freshness.FreshnessRules) -> None:
        self._database = database
        self._rules = rules

    async def due(self, at: datetime) -> Sequence[DueList]:
        """Read the repositories that are due, a bounded number of them."""
        if not await self._database.fetch_value(LISTS["any_list_due"], at):
            return []
        lapsed = freshness.lists_lapsed_before(self._rules, at)
        bounds = (LISTS_OF_REGISTRY, LISTED_AT_ONCE, lapsed, MOST_TAGS, LISTS_OF_ONE_HOST)
        rows = await self._database.fetch(LISTS["due_lists"], at, *bounds)
        fresh_since = at - timedelta(seconds=self._rules.list_freshness_s)
        return [DueList(row["list_id"], _list(row, at, fresh_since)) for row in rows]

    async def note(self, at: datetime, asked: Sequence[tuple[DueList, PublishOutcome]]) -> None:
        """Note which repositories were asked about, and when each is due again."""
        rows = [
            (
                each.list_id,
                None if outcome == "failed" else at,
                next_list_at(outcome, self._rules, at),
            )
            for each, outcome in asked
        ]
        await self._database.transaction(_note_listed, at, rows)


async def _read_unwanted(
    connection: asyncpg.Connection, due_before: datetime, brought_by: list[int]
) -> list[asyncpg.Record]:
    await connection.execute(SQL["read_by_index"])
    return list(await connection.fetch(SQL["unwanted"], due_before, brought_by, RESTED_AT_ONCE))


async def _let_rest(connection: asyncpg.Connection, ids: list[int]) -> None:
    await connection.execute(SQL["lock_answers"], ids)
    await connection.execute(SQL["rest"], ids)


async def _note_asked(
    connection: asyncpg.Connection, ids: list[int], at: datetime, times: list[datetime]
) -> None:
    await connection.execute(SQL["lock_answers"], ids)
    await connection.execute(SQL["asked"], ids, at, times)


async def _note_listed(
    connection: asyncpg.Connection, at: datetime, rows: list[tuple[Any, ...]]
) -> None:
    ids, asked_at, again = arguments(rows, 3)
    await connection.fetch(LISTS["lock_lists"], ids)
    await connection.execute(LISTS["asked_lists"], ids, at, asked_at, again)


def _list(row: asyncpg.Record, at: datetime, fresh_since: datetime) -> List:
    return List(
        registry=row["registry"],
        repository=row["repository"],
        asked_at=at,
        fresh_since=fresh_since,
        tags=tuple(row["tags"]),
        hosts=row["hosts"],
    )


def _resolve(row: asyncpg.Record, at: datetime, fresh_since: datetime) -> Resolve:
    return Resolve(
        registry=row["registry"],
        repository=row["repository"],
        tag=row["tag"],
        asked_at=at,
        fresh_since=fresh_since,
        last_digest=row["remote_digest"] or "",
        hosts=row["hosts"],
    )
