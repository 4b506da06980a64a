"""Answers, descriptions, registries and dead letters in PostgreSQL.

Rules:
- One transaction a batch. Locks in one order (ARCHITECTURE.md): digests, descriptions, answers by
  id, comparisons by id.
- An answer and a description of one digest are stored one after the other, as each looks for what
  the other one says. A lock that readers could take would stop both.
- Comparisons are read and judged only where an answer says something else than before; only
  changed verdicts are written, each with its place in the outbox.
"""

import zlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Final, Literal

import asyncpg
import msgspec

from imagedrift_ingest.adapters.postgres import dictionary
from imagedrift_ingest.adapters.postgres.bookmarks import Bookmarks
from imagedrift_ingest.adapters.postgres.connect import Database, arguments
from imagedrift_ingest.adapters.postgres.references import Locked, add_references, lock
from imagedrift_ingest.adapters.postgres.statements import load
from imagedrift_ingest.core import answers as core
from imagedrift_ingest.core import descriptions, freshness
from imagedrift_ingest.core import letters as core_letters
from imagedrift_runtime import metrics
from imagedrift_schemas import subjects
from imagedrift_schemas.v1 import Answer, DeadLetter, Described, RegistryState

SQL = load("answers")
DIGEST_SLOTS: Final = 256


class Answers:
    """What registries said."""

    def __init__(
        self,
        database: Database,
        policy: freshness.Policy,
        is_named: Callable[[str], bool] = lambda _: False,
        on_changed_verdicts: Callable[[], None] = lambda: None,
        bookmarks: Bookmarks | None = None,
    ) -> None:
        self._database = database
        self._on_changed_verdicts = on_changed_verdicts
        self._bookmarks = bookmarks or Bookmarks(database, f"KV_{subjects.BUCKET_DIGESTS}")
        self._policy = policy
        self._is_named = is_named

    async def learn(
        self,
        epoch: int,
        answers: Mapping[str, tuple[int, Answer]],
        described: Sequence[Described],
        *,
        surely_newest: bool = False,
        upto: int = 0,
    ) -> set[int]:
        """Store answers, by canonical reference, and descriptions, `upto` a sequence.

        Returns the sequences of answers in doubt, which are not stored.
        """
        digests = {d.digest for d in described} | _found(answers.values())

        async def work(connection: asyncpg.Connection) -> tuple[int, set[int]]:
            await _lock_digests(connection, digests, "lock" if described else "share")
            await self._describe(connection, described)
            references = sorted(answers)
            await add_references(connection, references, self._is_named)
            locked = await lock(connection, references, [d.digest for d in described])
            folded = {
                ref.ref_id: self._fold(ref, epoch, answers, surely_newest=surely_newest)
                for ref in locked
            }
            doubted = set() if surely_newest else _doubted(locked, epoch, answers)
            await _save(connection, locked, folded)
            told = {d.digest for d in described}
            suspects = [
                Locked(ref.ref_id, ref.reference, ref.policy, folded[ref.ref_id] or ref.state)
                for ref in locked
                if _says_something_else(ref, folded[ref.ref_id], told)
            ]
            return await rejudge(connection, suspects), doubted

        changed, doubted = await self._bookmarks.transaction(epoch, upto, work)
        if changed:
            metrics.verdicts.add(changed)
            self._on_changed_verdicts()
        return doubted

    async def forget(self, references: Sequence[str]) -> None:
        """Make references due whose cached answer somebody dropped."""

        async def work(connection: asyncpg.Connection) -> None:
            await connection.execute(SQL["forget"], list(references))

        await self._database.transaction(work)

    async def registries(
        self,
        epoch: int,
        states: Iterable[tuple[int, RegistryState]],
        *,
        surely_newest: bool = False,
    ) -> set[int]:
        """Store what registries allow, the newest of each (registry, credential).

        Returns the sequences of those in doubt, which are not stored.
        """
        rows: dict[tuple[str, str], tuple[Any, ...]] = {}
        for seq, s in states:
            limits = (s.rate_limit, s.rate_remaining, s.rate_window_s, s.rate_reset_at)
            blocked = (s.blocked_until, s.get_blocked_until, s.last_status, s.last_error)
            name = (s.registry, s.credential)
            if name not in rows or rows[name][2] < seq:
                rows[name] = (*name, seq, *limits, *blocked, s.observed_at)

        async def work(connection: asyncpg.Connection) -> set[int]:
            columns = arguments(list(rows.values()), 12)
            found = await connection.fetch(SQL["registries"], epoch, *columns, surely_newest)
            return {row["seq"] for row in found}

        return await self._database.transaction(work)

    async def bury(self, epoch: int, letters: Iterable[tuple[int, DeadLetter]]) -> None:
        """Store refused messages, added up by the hour."""
        rows = [msgspec.structs.astuple(row) for row in core_letters.rows(letters)]

        async def work(connection: asyncpg.Connection) -> None:
            await connection.execute(SQL["bury"], epoch, *arguments(rows, 12))

        await self._database.transaction(work)

    async def _describe(
        self, connection: asyncpg.Connection, described: Sequence[Described]
    ) -> None:
        rows: dict[str, tuple[Any, ...]] = {}
        inside = await dictionary.read_descriptions(connection, {d.digest for d in described})
        for one in described:
            failure = one.failure
            merged = descriptions.merged(inside.get(one.digest, ()), one.children)
            inside[one.digest] = merged
            kind = None if failure is None else str(failure.__struct_config__.tag)
            children = msgspec.json.encode(merged).decode() if merged or not failure else None
            why = None if failure is None else failure.reason or kind
            rows[one.digest] = (one.digest, one.checked_at, children, kind, why)
        again_s = self._policy.freshness_s * freshness.DESCRIBE_AGAIN_PERIODS
        columns = arguments([rows[digest] for digest in sorted(rows)], 5)
        await connection.execute(SQL["describe"], *columns, again_s)

    def _fold(
        self,
        ref: Locked,
        epoch: int,
        answers: Mapping[str, tuple[int, Answer]],
        *,
        surely_newest: bool,
    ) -> core.State | None:
        if ref.reference not in answers:
            return None
        seq, answer = answers[ref.reference]
        return core.fold(
            ref.state,
            answer,
            epoch=epoch,
            seq=seq,
            reference=ref.reference,
            policy=self._policy,
            surely_newest=surely_newest,
        )


def _found(answers: Iterable[tuple[int, Answer]]) -> set[str]:
    return {getattr(a.outcome, "digest", "") or a.last_digest for _, a in answers} - {""}


def _doubted(
    locked: Iterable[Locked], epoch: int, answers: Mapping[str, tuple[int, Answer]]
) -> set[int]:
    offered = [(ref.state, *answers[ref.reference]) for ref in locked if ref.reference in answers]
    return {
        seq
        for state, seq, answer in offered
        if core.stands(state, answer, epoch=epoch, seq=seq) == "doubtful"
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


def _says_something_else(ref: Locked, after: core.State | None, told: set[str]) -> bool:
    now = after or ref.state
    return now.remote_digest in told or (after is not None and after.known != ref.state.known)


async def _save(
    connection: asyncpg.Connection,
    locked: Sequence[Locked],
    folded: Mapping[int, core.State | None],
) -> None:
    """Write new states, and the periods that they end and begin."""
    steps = [(ref, after) for ref in locked if (after := folded[ref.ref_id]) is not None]
    if not steps:
        return
    rows = [
        (ref.ref_id, *(getattr(after, name) for name in core.State.__struct_fields__))
        for ref, after in steps
    ]
    await connection.execute(SQL["save"], *arguments(rows, 13))
    periods = [(ref.ref_id, p) for ref, after in steps if (p := core.history(ref.state, after))]
    if periods:
        ended = [(ref_id, period.at) for ref_id, period in periods]
        await connection.execute(SQL["end_periods"], *arguments(ended, 2))
        begun = [(ref_id, p.at, p.digest) for ref_id, p in periods if p.digest]
        await connection.execute(SQL["start_periods"], *arguments(begun, 3))


async def rejudge(connection: asyncpg.Connection, refs: Sequence[Locked]) -> int:
    """Judge all comparisons of locked references anew; the number of changed verdicts."""
    if not refs:
        return 0
    by_id = {ref.ref_id: ref for ref in refs}
    inside = await dictionary.read_inside(connection, [ref.state for ref in refs])
    held = await connection.fetch(SQL["comparisons_of"], sorted(by_id))
    rows: list[tuple[Any, ...]] = []
    for row in held:
        ref = by_id[row["ref_id"]]
        local = dictionary.local_by_policy(
            ref.policy,
            image_id=row["image_id"],
            repo_digests=tuple(row["repo_digests"]),
            platform=row["platform"],
            manifest_digest=row["manifest_digest"] or "",
            digest_lost=row["digest_lost"],
        )
        verdict = dictionary.judge_locked(local, ref, inside)
        if (verdict.verdict, verdict.reason) != (row["verdict"], row["reason"]):
            to = (row["comparison_id"], verdict.verdict, verdict.reason)
            since = (row["verdict"], row["reason"], ref.state.remote_digest, ref.state.attempted_at)
            rows.append((*to, *since))
    if rows:
        await connection.execute(SQL["judge"], *arguments(rows, 7))
    return len(rows)
