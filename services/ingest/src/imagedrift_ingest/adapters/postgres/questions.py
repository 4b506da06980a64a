"""Which questions are due, from PostgreSQL.

One replica plans at a time, by an advisory lock that ends with its transaction; there is no
leader to lose. Publishing happens inside that transaction: a crash before its end asks again,
and the stream drops what it holds already.
"""

from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime, timedelta
from typing import Any

import asyncpg

from imagedrift_ingest.adapters.postgres.blocks import Blocks
from imagedrift_ingest.adapters.postgres.connect import Database, arguments
from imagedrift_ingest.adapters.postgres.statements import load
from imagedrift_ingest.core import freshness
from imagedrift_schemas.v1 import Describe, Question, Resolve

SQL = load("planner")
MOST_AT_ONCE = 1000
DESCRIBE_AGAIN_PERIODS = 12

Ask = Callable[[Sequence[Question]], Awaitable[Sequence[bool | None]]]
"""Publishes questions; for each True: asked, False: one is there already, None: not published."""


class Questions:
    """The planner's side of the database."""

    def __init__(self, database: Database, policy: freshness.Policy, outstanding: int) -> None:
        self._database = database
        self._policy = policy
        self._outstanding = outstanding
        self._blocks = Blocks(database, policy)

    async def ask_due(self, at: datetime, ask: Ask) -> int:
        """Ask what is due, unless another replica does; how many were published."""
        await self._blocks.heed(at)

        async def work(connection: asyncpg.Connection) -> int:
            if not await connection.fetchval(SQL["lead"]):
                return 0
            asked = 0
            if await connection.fetchval(SQL["any_due"], at):
                asked = await self._resolve(connection, at, ask)
            return asked + await self._describe(connection, at, ask)

        return await self._database.transaction(work)

    async def _resolve(self, connection: asyncpg.Connection, at: datetime, ask: Ask) -> int:
        lapsed = freshness.lapsed_before(self._policy, at)
        due = await connection.fetch(SQL["due"], at, self._outstanding, MOST_AT_ONCE, lapsed)
        wanted = [row for row in due if row["wanted"]]
        fresh_since = at - timedelta(seconds=self._policy.freshness_s)
        results = await ask([_resolve(row, at, fresh_since) for row in wanted])
        later = at + timedelta(seconds=self._policy.freshness_s)
        marks: list[tuple[Any, ...]] = [
            # A young one is about to get its host: that is committed after the reference.
            (row["ref_id"], False, later)
            for row in due
            if not row["wanted"] and not row["young"]
        ]
        for row, result in zip(wanted, results, strict=True):
            if result is not None:
                again = freshness.due_unanswered if result else freshness.due_refused
                marks.append((row["ref_id"], True, again(self._policy, at)))
        ids, asked, times = arguments(marks, 3)
        await connection.execute(SQL["lock_answers"], ids)
        await connection.execute(SQL["asked"], ids, at, asked, times)
        return sum(result is True for result in results)

    async def _describe(self, connection: asyncpg.Connection, at: datetime, ask: Ask) -> int:
        rows = await connection.fetch(SQL["undescribed"], at, MOST_AT_ONCE)
        if not rows:
            return 0
        results = await ask(
            [
                Describe(
                    registry=row["registry"],
                    repository=row["repository"],
                    digest=row["digest"],
                    asked_at=at,
                    platforms=tuple(row["platforms"]),
                    image_ids=tuple(row["image_ids"]),
                    hosts=row["hosts"],
                )
                for row in rows
            ]
        )
        again = at + timedelta(seconds=self._policy.freshness_s * DESCRIBE_AGAIN_PERIODS)
        soon = freshness.due_refused(self._policy, at)
        marks = [
            (row["digest"], ",".join(row["platforms"]), row["ref_id"], again if result else soon)
            for row, result in zip(rows, results, strict=True)
            if result is not None
        ]
        await connection.execute(SQL["asked_inside"], at, *arguments(marks, 4))
        return sum(result is True for result in results)


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
