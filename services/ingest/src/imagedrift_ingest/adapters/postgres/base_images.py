"""Base images in PostgreSQL: read from labels, asked as references, and held against their tags.

Rules:
- A base is a row for its name, digest and platform, however many images were built on it.
- Its reference is a candidate (`candidates`): it is asked in the turns of a host that brought such
  an image, and counts in that host's quota.
- What a tag points to is judged some seconds after its answer. Until then the views say nothing:
  each row has the digest that it was judged by.
"""

from collections.abc import Sequence
from typing import Any, Final

import asyncpg
import msgspec

from imagedrift_ingest.adapters.postgres.candidates import CandidateRules, made_candidates
from imagedrift_ingest.adapters.postgres.connection import Database, arguments
from imagedrift_ingest.adapters.postgres.statements import load
from imagedrift_ingest.core.base_images import reference_of, state_of
from imagedrift_ingest.core.newer import ResolvedSide
from imagedrift_schemas.v1 import Child

SQL = load("base_images")
READ_AT_ONCE: Final = 500
JUDGED_AT_ONCE: Final = 100

_children = msgspec.json.Decoder(tuple[Child, ...])


class BaseImageTable:
    """The base images that labels name."""

    def __init__(self, database: Database, candidates: CandidateRules) -> None:
        self._database = database
        self._candidates = candidates

    async def rest(self, *, all_of_them: bool) -> int:
        """Let bases rest that no image in use was built on, or all, and return how many do."""
        return await self._database.execute(SQL["rest_bases"], all_of_them)

    async def read(self) -> int:
        """Follow some bases that labels name; how many."""
        rows = await self._database.fetch(SQL["unread_bases"], READ_AT_ONCE)
        if rows:
            await self._database.transaction(self._follow, rows)
        return len(rows)

    async def judge(self, after: int) -> int:
        """Judge the next bases after a key; the last one's key, 0 when there is none."""
        rows = await self._database.fetch(SQL["unjudged"], after, JUDGED_AT_ONCE)
        states = [(row["base_id"], _state(row), row["remote_digest"]) for row in rows]
        changed = [
            state
            for row, state in zip(rows, states, strict=True)
            if state[1:] != (row["state"], row["judged_digest"])
        ]
        if changed:
            await self._database.execute(SQL["judge_bases"], *arguments([*changed], 3))
        return int(rows[-1]["base_id"]) if rows else 0

    async def _follow(self, connection: asyncpg.Connection, rows: Sequence[asyncpg.Record]) -> None:
        """Make rows for bases, and their references due."""
        named = [(row, *reference_of(row["name"])) for row in rows]
        wanted: dict[str, list[int]] = {}
        for row, reference, why in named:
            if not why:
                wanted.setdefault(reference, []).extend(row["brought_by"])
        candidates = await made_candidates(connection, wanted, self._candidates)
        keys = {reference: each.ref_id for reference, each in candidates.items()}
        await connection.fetch(SQL["lock_answers"], sorted(keys.values()))
        bases: list[tuple[Any, ...]] = [
            (row["name"], row["digest"], row["platform"], key, None if key else why or "quota")
            for row, reference, why in named
            for key in [keys.get(reference)]
        ]
        await connection.execute(SQL["save_bases"], *arguments(bases, 5))
        woken = sorted(candidates.values())
        await connection.execute(SQL["wake_references"], *arguments([*woken], 2))


def _state(row: asyncpg.Record) -> str:
    """Compare the present digest of a base's tag with the base."""
    base = ResolvedSide(
        digest=row["digest"],
        children=_inside(row["base_children"]),
        undescribable=row["base_undescribable"],
    )
    tag = ResolvedSide(
        digest=row["remote_digest"],
        children=_inside(row["tag_children"]),
        undescribable=row["tag_undescribable"],
    )
    return state_of(base, tag, row["platform"])


def _inside(children: str | None) -> tuple[Child, ...] | None:
    return None if children is None else _children.decode(children)
