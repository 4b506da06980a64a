"""Which questions are due, from PostgreSQL.

Rules:
- One replica plans at a time, in a turn; there is no leader to lose.
- Nothing is locked while questions are published. What is due is read, published, and noted, each
  for itself: a crash or a failure in between asks again, and the stream drops what it holds.
- What no host has is not due. What is found out to be nobody's rests until a host gets it.
"""

from collections.abc import Awaitable, Callable, Collection, Sequence
from datetime import datetime, timedelta
from typing import Any

import asyncpg

from imagedrift_ingest.adapters.postgres.blocks import Blocks
from imagedrift_ingest.adapters.postgres.connect import Database, arguments
from imagedrift_ingest.adapters.postgres.statements import load
from imagedrift_ingest.adapters.postgres.turns import Turns
from imagedrift_ingest.core import freshness
from imagedrift_runtime.nats.topology import LANE_SLOTS
from imagedrift_schemas.v1 import Describe, Question, Resolve

SQL = load("planner")
TURN = "plan"
MOST_AT_ONCE = 1000
OF_ONE_HOST = LANE_SLOTS // 2
"""So many questions about what one host brought are out at a time.

Whatever becomes of them, the other half of a lane's slots is free for all others.
"""
NOTED_AT_ONCE = 200
"""Noted after so many, so that a slow stream holds up a turn and loses no work."""
RESTED_AT_MOST = 10
RESTED_AT_ONCE = 5000

Ask = Callable[[Sequence[Question]], Awaitable[Sequence[bool | None]]]
"""Publishes questions; for each True: asked, False: one is there already, None: not published."""


class Questions:
    """The planner's side of the database."""

    def __init__(
        self,
        database: Database,
        policy: freshness.Policy,
        outstanding: int,
        turns: Turns | None = None,
    ) -> None:
        self._database = database
        self._policy = policy
        self._outstanding = outstanding
        self._blocks = Blocks(database, policy)
        self._turns = turns or Turns(database)

    async def ask_due(self, at: datetime, ask: Ask) -> int:
        """Ask what is due, unless another replica does; how many were published."""
        return await self._turns.run(TURN, lambda: self._plan(at, ask)) or 0

    async def _plan(self, at: datetime, ask: Ask) -> int:
        await self._blocks.heed(at)
        asked = 0
        due = await self._due(at)
        for some in _parts(due):
            asked += await self._resolve(some, at, ask)
        wanting = await self._database.fetch(SQL["undescribed"], at, MOST_AT_ONCE)
        for some in _parts(wanting):
            asked += await self._describe(some, at, ask)
        return asked

    async def _due(self, at: datetime) -> list[asyncpg.Record]:
        """Read what is due; what turns out to be nobody's rests, and makes room for others."""
        lapsed = freshness.lapsed_before(self._policy, at)
        for _ in range(RESTED_AT_MOST):
            if not (await self._database.fetch(SQL["any_due"], at))[0][0]:
                break
            due = await self._database.fetch(
                SQL["due"], at, self._outstanding, MOST_AT_ONCE, lapsed, OF_ONE_HOST
            )
            wanted = [row for row in due if row["wanted"]]
            if len(wanted) < len(due):
                await self._rest(at, {row["brought_by"] for row in due if not row["wanted"]})
            if wanted or not due:
                return wanted
        return []

    async def _rest(self, at: datetime, brought_by: Collection[int]) -> None:
        """Let references rest that hosts brought and that nobody has any more, many at a time."""

        async def read(connection: asyncpg.Connection) -> list[asyncpg.Record]:
            await connection.execute(SQL["read_by_index"])
            values = at, list(brought_by), RESTED_AT_ONCE
            return list(await connection.fetch(SQL["unwanted"], *values))

        found = await self._database.transaction(read)
        ids = [row["ref_id"] for row in found]

        async def work(connection: asyncpg.Connection) -> None:
            await connection.execute(SQL["lock_answers"], ids)
            await connection.execute(SQL["rest"], ids)

        await self._database.transaction(work)

    async def _resolve(self, due: Sequence[asyncpg.Record], at: datetime, ask: Ask) -> int:
        fresh_since = at - timedelta(seconds=self._policy.freshness_s)
        results = await ask([_resolve(row, at, fresh_since) for row in due])
        marks: list[tuple[Any, ...]] = []
        for row, result in zip(due, results, strict=True):
            if result is not None:
                again = freshness.due_unanswered if result else freshness.due_refused
                marks.append((row["ref_id"], again(self._policy, at)))
        ids, times = arguments(marks, 2)

        async def work(connection: asyncpg.Connection) -> None:
            await connection.execute(SQL["lock_answers"], ids)
            await connection.execute(SQL["asked"], ids, at, times)

        await self._database.transaction(work)
        return sum(result is True for result in results)

    async def _describe(self, rows: Sequence[asyncpg.Record], at: datetime, ask: Ask) -> int:
        results = await ask([_describe(row, at) for row in rows])
        again = at + timedelta(seconds=self._policy.freshness_s * freshness.DESCRIBE_AGAIN_PERIODS)
        soon = freshness.due_refused(self._policy, at)
        published = [
            (row, again if result else soon)
            for row, result in zip(rows, results, strict=True)
            if result is not None
        ]
        marks = [
            (row["digest"], ",".join(row["platforms"]), row["ref_id"], due)
            for row, due in published
        ]
        images = [(one, row["digest"]) for row, _ in published for one in row["comparisons"]]

        async def work(connection: asyncpg.Connection) -> None:
            await connection.execute(SQL["asked_inside"], at, *arguments(marks, 4))
            await connection.execute(SQL["asked_for"], *arguments(images, 2))

        await self._database.transaction(work)
        return sum(result is True for result in results)


def _parts(rows: list[asyncpg.Record]) -> list[list[asyncpg.Record]]:
    return [rows[n : n + NOTED_AT_ONCE] for n in range(0, len(rows), NOTED_AT_ONCE)]


def _describe(row: asyncpg.Record, at: datetime) -> Describe:
    return Describe(
        registry=row["registry"],
        repository=row["repository"],
        digest=row["digest"],
        asked_at=at,
        platforms=tuple(row["platforms"]),
        image_ids=tuple(row["image_ids"]),
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
