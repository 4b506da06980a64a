"""The digests that are due to be described, from PostgreSQL."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Final

import asyncpg

from imagedrift_ingest.adapters.postgres.connection import Database, arguments
from imagedrift_ingest.adapters.postgres.statements import load
from imagedrift_ingest.core import freshness
from imagedrift_ingest.core.questions import (
    DueDigest,
    PublishOutcome,
    next_description_at,
)
from imagedrift_schemas.constraints import MOST_FACTS_OF, MOST_PLATFORMS
from imagedrift_schemas.v1 import Describe

SQL = load("digest_questions")
LISTS = load("lists")
MOST_AT_ONCE: Final = 1000
CANDIDATES_OUT: Final = 200
"""So many digests are out at a time to tell whether a newer version is another image."""
DESCRIBED_A_DAY: Final = 2000
"""So many digests that one host alone brought are asked about in a day."""


class DigestQuestions:
    """The digests whose content would tell whether images are outdated, or what is newer."""

    def __init__(
        self, database: Database, rules: freshness.FreshnessRules, of_one_host: int
    ) -> None:
        self._database = database
        self._rules = rules
        self._of_one_host = of_one_host

    async def due(self, at: datetime) -> Sequence[DueDigest]:
        """Read the digests of images, then those of candidates."""
        lapsed = freshness.lapsed_before(self._rules, at)
        wanted = await self._of_images(at, lapsed)
        asked = {each.question.digest for each in wanted}
        bounds = (CANDIDATES_OUT, self._of_one_host, lapsed)
        candidates = await self._database.fetch(LISTS["undescribed_candidates"], at, *bounds)
        return wanted + [
            DueDigest(row["ref_id"], _describe_candidate(row, at), ())
            for row in candidates
            if row["digest"] not in asked
        ]

    async def _of_images(self, at: datetime, lapsed: datetime) -> list[DueDigest]:
        """Read the digests whose content would tell whether images are outdated."""
        bounds = (MOST_AT_ONCE, self._of_one_host, lapsed, DESCRIBED_A_DAY)
        digests = await self._database.fetch(SQL["undescribed"], at, *bounds)
        if not digests:
            return []
        picked = [row["digest"] for row in digests]
        rows = await self._database.fetch(
            SQL["questions_about"], at, picked, MOST_PLATFORMS, MOST_FACTS_OF
        )
        return [
            DueDigest(row["ref_id"], _describe(row, at), tuple(row["comparisons"])) for row in rows
        ]

    async def note(self, at: datetime, asked: Sequence[tuple[DueDigest, PublishOutcome]]) -> None:
        """Note that digests were asked about, for which images, and when each is due again."""
        due = [
            (each, again)
            for each, outcome in asked
            if (again := next_description_at(outcome, self._rules, at))
        ]
        marks: list[tuple[Any, ...]] = [
            (each.question.digest, ",".join(each.question.platforms), each.ref_id, again)
            for each, again in due
        ]
        images = [(one, each.question.digest) for each, _ in due for one in each.comparison_ids]
        await self._database.transaction(_note_described, at, marks, images)


async def _note_described(
    connection: asyncpg.Connection,
    at: datetime,
    marks: list[tuple[Any, ...]],
    images: list[tuple[int, str]],
) -> None:
    await connection.execute(SQL["asked_inside"], at, *arguments(marks, 4))
    await connection.execute(SQL["asked_for"], *arguments(images, 2))


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
