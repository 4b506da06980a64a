"""Answers and descriptions in PostgreSQL.

Rules:
- One transaction a batch. Locks in one order (ARCHITECTURE.md): digests, descriptions, answers by
  id, comparisons by id, steps to newer versions.
- An answer and a description of one digest are stored one after the other, as each looks for what
  the other one says. A lock that readers could take would stop both.
- Comparisons are read and judged only where an answer says something else than before; only
  changed verdicts are written, each with its place in the outbox.
"""

import asyncio
import zlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Final, Literal

import asyncpg
from msgspec import Struct

from imagedrift_ingest.adapters.postgres import candidate_states, descriptions
from imagedrift_ingest.adapters.postgres.bookmarks import Bookmark, Bookmarks
from imagedrift_ingest.adapters.postgres.connection import Database, arguments
from imagedrift_ingest.adapters.postgres.references import LockedReference, add_references, lock
from imagedrift_ingest.adapters.postgres.statements import load
from imagedrift_ingest.core import answers as core
from imagedrift_ingest.core import freshness
from imagedrift_ingest.core.described_content import DescribedContent
from imagedrift_runtime import metrics
from imagedrift_schemas.v1 import Answer, Described

SQL = load("answers")
DIGEST_SLOTS: Final = 256
JUDGED_AT_ONCE: Final = 1000
"""Comparisons that are judged in the event loop."""


class AnswerTable:
    """The answers of registries about references and digests."""

    def __init__(
        self,
        database: Database,
        bookmarks: Bookmarks,
        rules: freshness.FreshnessRules,
        is_named: Callable[[str], bool],
        on_changed_verdicts: Callable[[], None],
    ) -> None:
        self._database = database
        self._bookmarks = bookmarks
        self._rules = rules
        self._is_named = is_named
        self._on_changed_verdicts = on_changed_verdicts

    async def store(
        self,
        epoch: int,
        answers: Mapping[str, tuple[int, Answer]],
        described: Sequence[Described],
        *,
        surely_newest: bool,
        read_to: int,
    ) -> set[int]:
        """Store answers, by canonical reference, and descriptions.

        Returns the sequences of answers in doubt, which are not stored.
        """
        batch = _Batch(epoch, answers, described, surely_newest)
        async with self._bookmarks.batch(epoch, read_to) as bookmark:
            changed, in_doubt = await self._database.transaction(
                self._write, bookmark, read_to, batch
            )
        if changed:
            metrics.verdicts.add(changed)
            self._on_changed_verdicts()
        return in_doubt

    async def make_due(self, references: Sequence[str]) -> None:
        """Make references due whose cached answer was deleted."""
        await self._database.execute(SQL["forget"], list(references))

    async def _write(
        self, connection: asyncpg.Connection, bookmark: Bookmark, read_to: int, batch: "_Batch"
    ) -> tuple[int, set[int]]:
        """Store a batch and return how many verdicts changed, and the sequences in doubt."""
        await bookmark.move(connection, batch.epoch, read_to)
        described = batch.described_digests
        digests = described | _digests_of(batch.answers.values())
        await _lock_digests(connection, digests, "lock" if described else "share")
        await descriptions.store(connection, batch.described, self._rules)
        references = sorted(batch.answers)
        await add_references(connection, references, self._is_named)
        locked = await lock(connection, references, sorted(described))
        folded = {ref.ref_id: self._fold(ref, batch) for ref in locked}
        await _save(connection, locked, folded, freshness.candidates_s(self._rules))
        suspects = [
            LockedReference(ref.ref_id, ref.reference, ref.policy, folded[ref.ref_id] or ref.state)
            for ref in locked
            if _is_suspect(ref, folded[ref.ref_id], described)
        ]
        changed = await rejudge(connection, suspects)
        if suspects:
            await candidate_states.confirm(connection, [ref.ref_id for ref in suspects])
        return changed, _in_doubt(locked, batch)

    def _fold(self, ref: LockedReference, batch: "_Batch") -> core.AnswerState | None:
        """Return the state of a reference after a batch; None: the same as before."""
        if ref.reference not in batch.answers:
            return None
        seq, answer = batch.answers[ref.reference]
        return core.fold(
            ref.state,
            answer,
            epoch=batch.epoch,
            seq=seq,
            reference=ref.reference,
            rules=self._rules,
            surely_newest=batch.surely_newest,
        )


class _Batch(Struct, frozen=True):
    """Answers by canonical reference, and descriptions, of one epoch of their stream."""

    epoch: int
    answers: Mapping[str, tuple[int, Answer]]
    described: Sequence[Described]
    surely_newest: bool

    @property
    def described_digests(self) -> set[str]:
        """Return the digests that descriptions are of."""
        return {one.digest for one in self.described}


def _digests_of(answers: Iterable[tuple[int, Answer]]) -> set[str]:
    return {getattr(a.outcome, "digest", "") or a.last_digest for _, a in answers} - {""}


def _in_doubt(locked: Iterable[LockedReference], batch: _Batch) -> set[int]:
    """Return the sequences of answers that may be older or newer than the stored ones."""
    if batch.surely_newest:
        return set()
    offered = [
        (ref.state, *batch.answers[ref.reference])
        for ref in locked
        if ref.reference in batch.answers
    ]
    return {
        seq
        for state, seq, answer in offered
        if core.stands(state, answer, epoch=batch.epoch, seq=seq) == "doubtful"
    }


async def _lock_digests(
    connection: asyncpg.Connection, digests: set[str], how: Literal["lock", "share"]
) -> None:
    """Hold the rows that stand for digests until the commit."""
    slots = sorted({zlib.crc32(digest.encode()) % DIGEST_SLOTS for digest in digests})
    held = await connection.fetch(SQL[f"{how}_digests"], slots)
    if len(held) < len(slots):
        await connection.execute(SQL["open_slots"], slots)
        await connection.fetch(SQL[f"{how}_digests"], slots)


def _is_suspect(ref: LockedReference, after: core.AnswerState | None, told: set[str]) -> bool:
    now = after or ref.state
    return now.remote_digest in told or (after is not None and after.remote != ref.state.remote)


async def _save(
    connection: asyncpg.Connection,
    locked: Sequence[LockedReference],
    folded: Mapping[int, core.AnswerState | None],
    candidates_for_s: float,
) -> None:
    """Write new states, and the periods that they end and begin."""
    steps = [(ref, after) for ref in locked if (after := folded[ref.ref_id]) is not None]
    if not steps:
        return
    rows = [
        (ref.ref_id, *(getattr(after, name) for name in core.AnswerState.__struct_fields__))
        for ref, after in steps
    ]
    await connection.execute(SQL["save"], *arguments(rows, 13), candidates_for_s)
    periods = [(ref.ref_id, p) for ref, after in steps if (p := core.history(ref.state, after))]
    if periods:
        ended = [(ref_id, period.at) for ref_id, period in periods]
        await connection.execute(SQL["end_periods"], *arguments(ended, 2))
        begun = [(ref_id, p.at, p.digest) for ref_id, p in periods if p.digest]
        await connection.execute(SQL["start_periods"], *arguments(begun, 3))


async def rejudge(connection: asyncpg.Connection, refs: Sequence[LockedReference]) -> int:
    """Judge all comparisons of locked references anew and return the number of changed verdicts."""
    if not refs:
        return 0
    by_id = {ref.ref_id: ref for ref in refs}
    inside = await descriptions.read_inside(connection, [ref.state for ref in refs])
    held = await connection.fetch(SQL["comparisons_of"], sorted(by_id))
    if len(held) > JUDGED_AT_ONCE:  # a host can make up thousands of images of a tag
        rows = await asyncio.to_thread(_changed, held, by_id, inside)
    else:
        rows = _changed(held, by_id, inside)
    if rows:
        await connection.execute(SQL["judge"], *arguments(rows, 7))
    return len(rows)


def _changed(
    held: Iterable[asyncpg.Record],
    by_id: Mapping[int, LockedReference],
    inside: Mapping[str, DescribedContent],
) -> list[tuple[Any, ...]]:
    """Judge comparisons, and lay out the changed verdicts as rows."""
    rows: list[tuple[Any, ...]] = []
    for row in held:
        ref = by_id[row["ref_id"]]
        local = descriptions.local_side_by_policy(
            ref.policy,
            image_id=row["image_id"],
            repo_digests=tuple(row["repo_digests"]),
            platform=row["platform"],
            manifest_digest=row["manifest_digest"] or "",
            digest_lost=row["digest_lost"],
        )
        verdict = descriptions.judge_locked(local, ref, inside)
        if (verdict.verdict, verdict.reason) != (row["verdict"], row["reason"]):
            to = (row["comparison_id"], verdict.verdict, verdict.reason)
            since = (row["verdict"], row["reason"], ref.state.remote_digest, ref.state.attempted_at)
            rows.append((*to, *since))
    return rows
