"""Which questions are due, from PostgreSQL.

What no host has is not due. References that turn out to be on no host rest until a host gets them.
"""

from collections.abc import Collection, Sequence
from datetime import datetime, timedelta
from typing import Any, Final

import asyncpg

from imagedrift_ingest.adapters.postgres.connection import Database, arguments
from imagedrift_ingest.adapters.postgres.statements import load
from imagedrift_ingest.core import freshness
from imagedrift_ingest.core.questions import DueDigest, DueList, DueTag
from imagedrift_runtime.nats.topology import LANE_SLOTS
from imagedrift_schemas.constraints import MOST_FACTS_OF, MOST_PLATFORMS, MOST_TAGS
from imagedrift_schemas.v1 import Describe, List, Resolve

SQL = load("planner")
LISTS = load("lists")
MOST_AT_ONCE: Final = 1000
CANDIDATES_OUT: Final = 200
"""So many digests are out at a time to tell whether a newer version is another image."""
LISTED_AT_ONCE: Final = 50
LISTS_OF_REGISTRY: Final = 32
"""So many questions for tags of a registry are out at a time: what wants it most is asked first."""
OF_ONE_HOST: Final = LANE_SLOTS // 2
"""So many questions about the references that one host brought are out at a time.

Whatever becomes of them, the other half of a lane's slots is free for all others.
"""
DESCRIBED_A_DAY: Final = 2000
"""So many digests that one host alone brought are asked about in a day."""
LISTS_OF_ONE_HOST: Final = LISTS_OF_REGISTRY // 2
NEW_FOR_S: Final = 3.0
"""A new reference is made before the rows of its host, so it does not rest while it is so new."""
RESTED_AT_MOST: Final = 10
RESTED_AT_ONCE: Final = 5000


class QuestionTable:
    """The questions that are due; `outstanding`: so many of a registry are out at a time."""

    def __init__(
        self,
        database: Database,
        rules: freshness.FreshnessRules,
        outstanding: int,
        of_one_host: int,
    ) -> None:
        self._database = database
        self._rules = rules
        self._outstanding = outstanding
        self._of_one_host = of_one_host

    async def due_tags(self, at: datetime) -> Sequence[DueTag]:
        """Read the references that are due; one on no host rests, and makes room for others."""
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

    async def note_asked(self, at: datetime, due: Sequence[tuple[DueTag, datetime]]) -> None:
        """Note that references were asked about, and when each is due again."""
        ids, times = arguments([(tag.ref_id, again) for tag, again in due], 2)
        await self._database.transaction(_note_asked, ids, at, times)

    async def due_digests(self, at: datetime) -> Sequence[DueDigest]:
        """Read the digests whose content would tell whether images are outdated."""
        lapsed = freshness.lapsed_before(self._rules, at)
        room = (MOST_AT_ONCE, self._of_one_host, lapsed, MOST_PLATFORMS, MOST_FACTS_OF)
        rows = await self._database.fetch(SQL["undescribed"], at, *room, DESCRIBED_A_DAY)
        wanted = [
            DueDigest(row["ref_id"], _describe(row, at), tuple(row["comparisons"])) for row in rows
        ]
        asked = {each.question.digest for each in wanted}
        bounds = (CANDIDATES_OUT, self._of_one_host, lapsed)
        candidates = await self._database.fetch(LISTS["undescribed_candidates"], at, *bounds)
        return wanted + [
            DueDigest(row["ref_id"], _describe_candidate(row, at), ())
            for row in candidates
            if row["digest"] not in asked
        ]

    async def note_described(self, at: datetime, due: Sequence[tuple[DueDigest, datetime]]) -> None:
        """Note that digests were asked about, for which images, and when each is due again."""
        marks: list[tuple[Any, ...]] = [
            (each.question.digest, ",".join(each.question.platforms), each.ref_id, again)
            for each, again in due
        ]
        images = [(one, each.question.digest) for each, _ in due for one in each.comparison_ids]
        await self._database.transaction(_note_described, at, marks, images)

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

    async def note_asked(self, at: datetime, due: Sequence[tuple[DueList, datetime, bool]]) -> None:
        """Note which repositories were asked about, and when each is due again."""
        rows = [(each.list_id, at if asked else None, again) for each, again, asked in due]
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


async def _note_described(
    connection: asyncpg.Connection,
    at: datetime,
    marks: list[tuple[Any, ...]],
    images: list[tuple[int, str]],
) -> None:
    await connection.execute(SQL["asked_inside"], at, *arguments(marks, 4))
    await connection.execute(SQL["asked_for"], *arguments(images, 2))


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


def _describe_candidate(row: asyncpg.Record, at: datetime) -> Describe:
    """Ask for the children of a digest alone: their configurations are not needed."""
    return Describe(
        registry=row["registry"],
        repository=row["repository"],
        digest=row["digest"],
        asked_at=at,
        hosts=row["hosts"],
    )


def _describe(row: asyncpg.Record, at: datetime) -> Describe:
    return Describe(
        registry=row["registry"],
        repository=row["repository"],
        digest=row["digest"],
        asked_at=at,
        platforms=tuple(row["platforms"]),
        image_ids=tuple(row["image_ids"]),
        facts_of=tuple(row["facts_of"]),
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
