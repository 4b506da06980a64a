"""Newer versions in PostgreSQL: references are compared with a list, and candidates confirmed.

Rules:
- The rows of a repository are compared while its list is locked; only differences are written.
- Candidates are references like all others, made where they are new, and due at once.
- The answers of both sides are locked before a step is written. So an answer that comes at the same
  time either is seen here, or sees the step.
- The steps are locked before the two sides are read. So of two transactions, each with the answer
  of one side, the later one sees both.
"""

import asyncio
from collections.abc import (
    AsyncIterator,
    Callable,
    Collection,
    Iterable,
    Iterator,
    Mapping,
    Sequence,
)
from typing import Any

import asyncpg
import msgspec
from msgspec import Struct

from imagedrift_ingest.adapters.postgres.connection import arguments
from imagedrift_ingest.adapters.postgres.references import add_references
from imagedrift_ingest.adapters.postgres.statements import load
from imagedrift_ingest.core import newer
from imagedrift_ingest.core.lists import ListState
from imagedrift_ingest.core.newer import LocalImageSide, ResolvedSide, VersionStanding
from imagedrift_schemas.v1 import Child

SQL = load("lists")

_children = msgspec.json.Decoder(tuple[Child, ...])


class LockedList(Struct, frozen=True):
    """A list that this transaction holds."""

    list_id: int
    registry: str
    repository: str
    state: ListState
    is_new: bool = False
    """Whether all references have to be compared with it, and not only new ones."""


class _Difference(Struct, frozen=True):
    """A reference that stands otherwise than stored."""

    ref_id: int
    is_compared: bool
    standing: VersionStanding
    changed: Mapping[newer.Step, str]
    """The candidates by step that are new, by their full names."""
    dropped: tuple[str, ...]


async def compare(
    connection: asyncpg.Connection,
    lists: Sequence[LockedList],
    is_named: Callable[[str], bool],
) -> None:
    """Compare the references of locked lists with these."""
    if not lists:
        return
    rows = await connection.fetch(SQL["versions_of"], [each.list_id for each in lists])
    steps = await _stored_steps(connection, rows)
    differences = [
        difference for each in lists async for difference in _differences(each, rows, steps)
    ]
    if differences:
        await _write(connection, differences, is_named)


async def confirm(connection: asyncpg.Connection, ref_ids: Collection[int]) -> None:
    """Tell again what candidates are, of which one side is among these references."""
    held = await connection.fetch(SQL["lock_steps"], sorted(ref_ids))
    if not held:
        return
    references = sorted({row["ref_id"] for row in held})
    sides = sorted({*references, *(row["candidate_ref_id"] for row in held)})
    rows = {row["ref_id"]: row for row in await connection.fetch(SQL["sides"], sides)}
    local = _local_sides(await connection.fetch(SQL["local_sides"], references))
    resolved = {ref_id: _resolved(row) for ref_id, row in rows.items()}
    changed = [
        (row["ref_id"], row["step"], state, since)
        for row in held
        for state, since in [
            _state(row, rows[row["candidate_ref_id"]], resolved, local.get(row["ref_id"], ()))
        ]
        if (state, since) != (row["state"], row["since"])
    ]
    if changed:
        await connection.execute(SQL["save_states"], *arguments(changed, 4))


async def _stored_steps(
    connection: asyncpg.Connection, rows: Iterable[asyncpg.Record]
) -> dict[int, dict[str, str]]:
    """Read the candidates of references, as tags by step."""
    steps: dict[int, dict[str, str]] = {}
    found = await connection.fetch(SQL["steps_of"], [row["ref_id"] for row in rows])
    for row in found:
        steps.setdefault(row["ref_id"], {})[row["step"]] = row["tag"]
    return steps


async def _differences(
    each: LockedList, rows: Iterable[asyncpg.Record], steps: Mapping[int, Mapping[str, str]]
) -> AsyncIterator[_Difference]:
    """Yield the references of a list that stand otherwise than stored."""
    own = [row for row in rows if row["list_id"] == each.list_id]
    used = [row for row in own if row["used"]]
    to_read = used if each.is_new else [row for row in used if not row["is_compared"]]
    found: dict[str, VersionStanding] = {}
    if to_read and each.state.tracks is not None:
        found = newer.standings([row["tag"] for row in used], each.state.index)
    for row in own:
        stored = steps.get(row["ref_id"], {})
        if not row["used"]:
            yield _Difference(row["ref_id"], False, newer.UNKNOWN, {}, tuple(stored))
        elif found and (difference := _difference(each, row, found[row["tag"]], stored)):
            yield difference
    await asyncio.sleep(0)  # reading a list takes up to some tenths of a second


def _difference(
    each: LockedList, row: asyncpg.Record, standing: VersionStanding, stored: Mapping[str, str]
) -> _Difference | None:
    wanted = standing.candidates
    prefix = f"{each.registry}/{each.repository}"
    changed = {step: f"{prefix}:{tag}" for step, tag in wanted.items() if stored.get(step) != tag}
    dropped = tuple(step for step in stored if step not in wanted)
    before = (row["is_compared"], row["is_whole"], row["behind"])
    if not changed and not dropped and before == (True, standing.is_whole, standing.behind):
        return None
    return _Difference(row["ref_id"], True, standing, changed, dropped)


async def _write(
    connection: asyncpg.Connection,
    differences: Sequence[_Difference],
    is_named: Callable[[str], bool],
) -> None:
    """Write what differs, and tell what the candidates are that are new."""
    rows = sorted(
        (each.ref_id, each.is_compared, each.standing.is_whole, each.standing.behind)
        for each in differences
    )
    await connection.execute(SQL["save_versions"], *arguments([*rows], 4))
    dropped = [(each.ref_id, step) for each in differences for step in each.dropped]
    if dropped:
        await connection.execute(SQL["drop_steps"], *arguments(dropped, 2))
    changed = {each.ref_id: each.changed for each in differences if each.changed}
    if not changed:
        return
    keys = await _candidate_keys(connection, changed.values(), is_named)
    await connection.fetch(SQL["lock_answers"], sorted({*keys.values(), *changed}))
    await connection.execute(SQL["wake_candidates"], sorted(keys.values()))
    steps = sorted(_steps(changed, keys))
    await connection.execute(SQL["save_steps"], *arguments([*steps], 3))
    await confirm(connection, changed)


async def _candidate_keys(
    connection: asyncpg.Connection,
    changed: Iterable[Mapping[newer.Step, str]],
    is_named: Callable[[str], bool],
) -> dict[str, int]:
    """Return the keys of candidates, making rows for those that are new."""
    names = sorted({name for steps in changed for name in steps.values()})
    await add_references(connection, names, is_named)
    rows = await connection.fetch(SQL["keys_of"], names)
    return {row["reference"]: row["ref_id"] for row in rows}


def _steps(
    changed: Mapping[int, Mapping[newer.Step, str]], keys: Mapping[str, int]
) -> Iterator[tuple[int, str, int]]:
    for ref_id, steps in changed.items():
        for step, name in steps.items():
            if name in keys:
                yield ref_id, step, keys[name]


def _resolved(row: asyncpg.Record) -> ResolvedSide:
    return ResolvedSide(
        digest=row["remote_digest"] or "",
        gone=row["gone"],
        failed=row["failed"],
        children=None if row["children"] is None else _children.decode(row["children"]),
        undescribable=row["undescribable"],
    )


def _local_sides(rows: Iterable[asyncpg.Record]) -> dict[int, list[LocalImageSide]]:
    """Put together the images that hosts have of each reference, by platform."""
    digests: dict[tuple[int, str], set[str]] = {}
    for row in rows:
        own = digests.setdefault((row["ref_id"], row["platform"]), set())
        own |= {*row["repo_digests"], row["manifest_digest"]} - {None}
    sides: dict[int, list[LocalImageSide]] = {}
    for (ref_id, platform), own in digests.items():
        sides.setdefault(ref_id, []).append(LocalImageSide(platform, frozenset(own)))
    return sides


def _state(
    step: asyncpg.Record,
    candidate: asyncpg.Record,
    resolved: Mapping[int, ResolvedSide],
    local: Sequence[LocalImageSide],
) -> tuple[newer.State, Any]:
    """Tell the state of a step, and since when something is newer in it."""
    sides = resolved[step["ref_id"]], resolved[step["candidate_ref_id"]]
    state = newer.confirmed(*sides, local)
    match state:
        case "newer":
            return state, step["since"] or candidate["since"]
        case "same_image" | "missing":
            return state, None
        case _:
            return state, step["since"]
