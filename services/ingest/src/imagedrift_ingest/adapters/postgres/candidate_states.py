"""The states of candidates in PostgreSQL: whether the newest tag of a step is another image.

Rules:
- The steps are locked before the two sides are read. So of two transactions, each with the answer
  of one side, the later one sees both.
- More than `FEW_STEPS`, each with many platforms, are told beside the event loop, and so are those
  of more than `FEW_IMAGES`.
"""

import asyncio
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any, Final

import asyncpg
import msgspec

from imagedrift_ingest.adapters.postgres.connection import arguments
from imagedrift_ingest.adapters.postgres.statements import load
from imagedrift_ingest.core import newer
from imagedrift_ingest.core.newer import LocalImageSide, ResolvedSide
from imagedrift_schemas.v1 import Child

SQL = load("lists")
FEW_STEPS: Final = 100
FEW_IMAGES: Final = 1000

_children = msgspec.json.Decoder(tuple[Child, ...])


async def confirm(connection: asyncpg.Connection, ref_ids: Collection[int]) -> None:
    """Tell the state of candidates again, of which one side is among these references."""
    held = await connection.fetch(SQL["lock_steps"], sorted(ref_ids))
    if not held:
        return
    references = sorted({row["ref_id"] for row in held})
    sides = sorted({*references, *(row["candidate_ref_id"] for row in held)})
    rows = {row["ref_id"]: row for row in await connection.fetch(SQL["sides"], sides)}
    local = await connection.fetch(SQL["local_sides"], references)
    if len(held) > FEW_STEPS or len(local) > FEW_IMAGES:
        changed = await asyncio.to_thread(_changed_states, held, rows, local)
    else:
        changed = _changed_states(held, rows, local)
    if changed:
        await connection.execute(SQL["save_states"], *arguments(changed, 4))


def _changed_states(
    held: Iterable[asyncpg.Record],
    rows: Mapping[int, asyncpg.Record],
    local_rows: Iterable[asyncpg.Record],
) -> list[tuple[Any, ...]]:
    """Return the steps whose state is another one now, as their rows."""
    local = _local_sides(local_rows)
    resolved = {ref_id: _resolved(row) for ref_id, row in rows.items()}
    return [
        (row["ref_id"], row["step"], state, since)
        for row in held
        for state, since in [
            _state(row, rows[row["candidate_ref_id"]], resolved, local.get(row["ref_id"], ()))
        ]
        if (state, since) != (row["state"], row["since"])
    ]


def _state(
    step: asyncpg.Record,
    candidate: asyncpg.Record,
    resolved: Mapping[int, ResolvedSide],
    local: Sequence[LocalImageSide],
) -> tuple[newer.CandidateState, Any]:
    """Tell the state of a step, and since when something is newer in it."""
    sides = resolved[step["ref_id"]], resolved[step["candidate_ref_id"]]
    state = newer.confirmed(*sides, local)
    match state:
        case "newer":
            return state, step["since"] or candidate["since"]
        case "same_image":
            return state, None
        case _:
            return state, step["since"]


def _resolved(row: asyncpg.Record) -> ResolvedSide:
    return ResolvedSide(
        digest=row["remote_digest"] or "",
        gone=row["gone"],
        failed=row["failed"],
        children=None if row["children"] is None else _children.decode(row["children"]),
        undescribable=row["undescribable"],
    )


def _local_sides(rows: Iterable[asyncpg.Record]) -> dict[int, list[LocalImageSide]]:
    """Put together the images that hosts have of each reference."""
    sides: dict[int, list[LocalImageSide]] = {}
    for row in rows:
        own = frozenset({*row["repo_digests"], row["manifest_digest"]} - {None})
        sides.setdefault(row["ref_id"], []).append(LocalImageSide(row["platform"], own))
    return sides
