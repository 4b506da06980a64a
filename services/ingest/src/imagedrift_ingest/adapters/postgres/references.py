"""References in PostgreSQL: made when they are new, and locked with what their registry said.

Rules:
- New rows are made sorted, so that replicas cannot deadlock.
- A new reference has no answer, and no other session sees it before the commit: it needs no lock.
- A reference that no host had rests. It is due when a host gets it, at once (`wake`).
"""

from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any

import asyncpg
from msgspec import Struct

from imagedrift_ingest.adapters.postgres.connection import arguments
from imagedrift_ingest.adapters.postgres.statements import load
from imagedrift_ingest.core import demand
from imagedrift_ingest.core.answers import AnswerState
from imagedrift_ingest.core.demand import Demand
from imagedrift_ingest.core.images import HostImage
from imagedrift_ingest.core.policy import Policy, policy_of
from imagedrift_schemas.reference import ImageReference

SQL = load("comparisons")


class LockedReference(Struct, frozen=True):
    """A reference whose answer this transaction holds, or has made."""

    ref_id: int
    reference: str
    policy: Policy
    state: AnswerState


NO_ANSWER = AnswerState()


async def add_references(
    connection: asyncpg.Connection,
    references: Collection[str],
    is_named: Callable[[str], bool],
    brought: Mapping[int, Sequence[HostImage]] | None = None,
) -> dict[str, LockedReference]:
    """Make rows for references that are not there yet, and return these.

    Those that hosts bring with an image to compare are due.
    """
    known = await connection.fetch(SQL["known_refs"], [*references])
    new = sorted(set(references) - {row["reference"] for row in known})
    if not new:
        return {}
    rows = {text: _reference(text, is_named) for text in new}
    made = await connection.fetch(SQL["add_refs"], *arguments([*rows.values()], 5))
    refs = {text: LockedReference(ref_id, text, rows[text][-1], NO_ANSWER) for text, ref_id in made}
    asked = {text for text, ref in refs.items() if ref.policy == "ask"}
    wanted = demand.demand_of(asked, brought or {})
    answers = [_answer(ref.ref_id, wanted.get(text, demand.NONE)) for text, ref in refs.items()]
    await connection.execute(SQL["add_answers"], *arguments(answers, 4))
    return refs


async def wake(
    connection: asyncpg.Connection,
    ref_ids: Collection[int],
    brought: Mapping[int, Sequence[HostImage]],
) -> None:
    """Make those of the references due that rest: hosts have them now."""
    rows = await connection.fetch(SQL["resting"], [*ref_ids])
    resting = {row["reference"]: row["ref_id"] for row in rows}
    if resting:
        wanted = demand.demand_of(resting, brought)
        answers = [_answer(resting[text], of) for text, of in wanted.items()]
        await connection.execute(SQL["wake"], *arguments(answers, 4))


def _answer(ref_id: int, wanted: Demand) -> tuple[Any, ...]:
    return ref_id, wanted.brought_by, wanted.hosts, wanted.running


async def lock(
    connection: asyncpg.Connection, references: Sequence[str], digests: Sequence[str] = ()
) -> list[LockedReference]:
    """Lock the answers of references, and of all that point to the digests, in id order."""
    rows = await connection.fetch(SQL["lock"], list(references), list(digests))
    return [
        LockedReference(
            row["ref_id"],
            row["reference"],
            row["policy"],
            AnswerState(**{name: row[name] for name in AnswerState.__struct_fields__}),
        )
        for row in rows
    ]


def _reference(text: str, is_named: Callable[[str], bool]) -> tuple[Any, ...]:
    parsed = ImageReference.parse(text)
    tag = None if parsed.is_pinned else parsed.key.rpartition(":")[2]
    return text, parsed.registry, parsed.repository, tag, policy_of(parsed, is_named)
