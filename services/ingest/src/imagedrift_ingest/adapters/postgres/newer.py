"""Newer versions in PostgreSQL: references are compared with the tag list of their repository.

Rules:
- The rows of a repository are compared while its list is locked; only differences are written.
- The answers of both sides are locked before a step is locked or written, as by whoever stores an
  answer. So an answer that comes at the same time either is seen here, or sees the step.
- What takes long is done beside the event loop: a list has thousands of names.
"""

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import asyncpg
from msgspec import Struct

from imagedrift_ingest.adapters.postgres.candidate_states import confirm
from imagedrift_ingest.adapters.postgres.candidates import CandidateRules, made_candidates
from imagedrift_ingest.adapters.postgres.connection import arguments
from imagedrift_ingest.adapters.postgres.statements import load
from imagedrift_ingest.core import standings
from imagedrift_ingest.core.lists import ListState
from imagedrift_ingest.core.standings import (
    Difference,
    StoredStanding,
    TrackIndex,
    differences,
    lacking,
    within_quota,
)

SQL = load("lists")


class LockedList(Struct, frozen=True):
    """A list that this transaction holds."""

    list_id: int
    registry: str
    repository: str
    state: ListState
    is_new: bool = False
    """Whether all references have to be compared with it, and not only new ones."""

    @property
    def index(self) -> TrackIndex | None:
        """Return its tracks, to be searched; None when it was never read."""
        return None if self.state.tracks is None else self.state.index

    def reference(self, tag: str) -> str:
        """Return the full name of a tag."""
        return f"{self.registry}/{self.repository}:{tag}"


class _Found(Struct, frozen=True):
    """A list, the references that stand otherwise in it than stored, and the tags that it lacks."""

    held: LockedList
    differing: list[Difference]
    lacking: set[str]


async def compare(
    connection: asyncpg.Connection, lists: Sequence[LockedList], rules: CandidateRules
) -> None:
    """Compare the references of locked lists with these."""
    if not lists:
        return
    ids = [each.list_id for each in lists]
    rows = await connection.fetch(SQL["versions_of"], ids, standings.MOST_COMPARED)
    steps = await connection.fetch(SQL["steps_of"], [row["ref_id"] for row in rows])
    found = await asyncio.to_thread(_differences, lists, rows, steps)
    if any(each.differing for each in found):
        await _write(connection, found, rules)


def _differences(
    lists: Sequence[LockedList], rows: Iterable[asyncpg.Record], steps: Iterable[asyncpg.Record]
) -> list[_Found]:
    """Find the references of each list that stand otherwise than stored."""
    of_reference: dict[int, list[asyncpg.Record]] = {}
    for step in steps:
        of_reference.setdefault(step["ref_id"], []).append(step)
    stored: dict[int, list[StoredStanding]] = {}
    for row in rows:
        own = stored.setdefault(row["list_id"], [])
        own.append(_stored(row, of_reference.get(row["ref_id"], ())))
    return [_compared(each, stored.get(each.list_id, ())) for each in lists]


def _compared(held: LockedList, rows: Sequence[StoredStanding]) -> _Found:
    """Compare a list with the references that are stored."""
    index = held.index
    others = lacking(rows, index, held.state.listed_at)
    if index and others:
        index = index.with_others(others)
    return _Found(held, [*differences(rows, index, is_new=held.is_new)], others)


def _stored(row: asyncpg.Record, steps: Sequence[asyncpg.Record]) -> StoredStanding:
    return StoredStanding(
        row["ref_id"],
        row["tag"],
        row["used"],
        row["rank"],
        row["brought_by"],
        row["is_compared"],
        row["is_whole"],
        row["behind"],
        row["left_out"],
        {step["step"]: step["tag"] for step in steps},
        {each["tag"]: each["found_since"] for each in (row, *steps) if each["found_since"]},
    )


class _Rows(Struct, frozen=True):
    """The rows that are written, each kind in the order of its keys."""

    versions: list[tuple[Any, ...]]
    steps: list[tuple[Any, ...]]
    dropped: list[tuple[Any, ...]]


async def _write(
    connection: asyncpg.Connection, found: Sequence[_Found], rules: CandidateRules
) -> None:
    """Write the differences, and tell the state of new candidates."""
    wanted = await asyncio.to_thread(_new_candidates, found)
    candidates = await made_candidates(connection, wanted, rules)
    keys = {name: each.ref_id for name, each in candidates.items()}
    rows = await asyncio.to_thread(_rows, found, keys)
    changed = {ref_id for ref_id, *_ in rows.steps}
    doubted = [each.held.reference(tag) for each in found for tag in each.lacking]
    in_doubt = {row["ref_id"] for row in await connection.fetch(SQL["keys_of"], doubted)}
    await connection.fetch(SQL["lock_answers"], sorted({*changed, *keys.values(), *in_doubt}))
    await connection.execute(SQL["doubt_tags"], sorted(in_doubt))
    held = changed.union(ref_id for ref_id, _ in rows.dropped)
    await connection.fetch(SQL["lock_steps"], sorted(held))
    woken = sorted(candidates.values())
    await connection.execute(SQL["wake_candidates"], *arguments([*woken], 2))
    await connection.execute(SQL["save_steps"], *arguments(rows.steps, 3))
    await connection.execute(SQL["save_versions"], *arguments(rows.versions, 5))
    await connection.execute(SQL["drop_steps"], *arguments(rows.dropped, 2))
    await confirm(connection, changed)


def _rows(found: Sequence[_Found], keys: Mapping[str, int]) -> _Rows:
    """Lay out the differences as rows, without the candidates that have no key."""
    rows = _Rows([], [], [])
    for each in found:
        for difference in each.differing:
            named = {tag: keys.get(each.held.reference(tag)) for tag in difference.changed.values()}
            made = {tag: key for tag, key in named.items() if key is not None}
            one = within_quota(difference, made)
            rows.versions.append(_version_row(one))
            rows.steps.extend((one.ref_id, step, made[tag]) for step, tag in one.changed.items())
            rows.dropped.extend((one.ref_id, step) for step in one.dropped)
    for part in (rows.versions, rows.steps, rows.dropped):
        part.sort(key=lambda row: row[:2])
    return rows


def _new_candidates(found: Sequence[_Found]) -> dict[str, list[int]]:
    """Return the candidates that are new, by their full names, and the hosts that want each.

    The references of most hosts come first.
    """
    wanted: dict[str, dict[int, None]] = {}
    for each in found:
        for difference in each.differing:
            for tag in difference.changed.values():
                hosts = wanted.setdefault(each.held.reference(tag), {})
                hosts[difference.brought_by] = None
    return {name: [*hosts] for name, hosts in wanted.items()}


def _version_row(one: Difference) -> tuple[Any, ...]:
    standing = one.standing
    told = (standing.is_whole, standing.behind, standing.left_out)
    return (one.ref_id, one.is_compared, *told)
