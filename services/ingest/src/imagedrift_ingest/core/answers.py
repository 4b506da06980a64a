"""The changes that an answer makes to the state of a reference.

Rules:
- Only a newer answer counts (`core.order`), as two replicas may hold two at once.
- A conclusive answer (found, missing) ends a failure; a failure keeps what was known (P1).
- The digest found last is kept when the tag is gone. A tag that comes back with it goes on with
  the moment since when it points there; the history has the time in between as a gap.
"""

from datetime import datetime, timedelta
from typing import Final

from msgspec import Struct
from msgspec.structs import replace

from imagedrift_ingest.core import freshness, order
from imagedrift_ingest.core.verdict import FailureKind, RemoteSide, kind_of
from imagedrift_schemas.v1 import Answer, Failure, Found, Limited, Missing

LONG_AGO: Final = timedelta(0)


class AnswerState(Struct, frozen=True, kw_only=True):
    """Everything kept about a reference's remote side; the columns of `fleet.answers`."""

    epoch: int = 0
    seq: int = 0
    remote_digest: str | None = None
    remote_since: datetime | None = None
    gone: bool = False
    checked_at: datetime | None = None
    attempted_at: datetime | None = None
    failure: FailureKind | None = None
    error: str | None = None
    failures: int = 0
    failing_since: datetime | None = None
    next_check_at: datetime | None = None

    @property
    def remote(self) -> RemoteSide:
        """Return the part that a verdict needs."""
        return RemoteSide(
            digest=self.remote_digest or "",
            gone=self.gone,
            failure=self.failure,
            error=self.error or "",
        )


class Period(Struct, frozen=True, kw_only=True):
    """A stretch of a tag's history that begins (`digest`) or only ends (None) at a moment."""

    at: datetime
    digest: str | None


def stands(state: AnswerState, answer: Answer, *, epoch: int, seq: int) -> order.Order:
    """Tell whether an answer is newer than the state."""
    return order.compare(
        order.Position(epoch, seq, answer.checked_at),
        order.Position(state.epoch, state.seq, state.attempted_at),
    )


def fold(
    state: AnswerState,
    answer: Answer,
    *,
    epoch: int,
    seq: int,
    reference: str,
    rules: freshness.FreshnessRules,
    surely_newest: bool = False,
) -> AnswerState | None:
    """Return the state after `answer`; None when the answer is older than the state, or in doubt.

    `surely_newest`: the bucket has none that is newer, so that no doubt is left.
    """
    order = stands(state, answer, epoch=epoch, seq=seq)
    if order == "older" or (order == "doubtful" and not surely_newest):
        return None
    state = replace(state, epoch=epoch, seq=seq, attempted_at=answer.checked_at)
    match answer.outcome:
        case Found(digest=digest):
            state = _state_found(state, digest, answer.checked_at)
        case Missing(reason=reason):
            state = _missing(state, reason, answer)
        case failure:
            return _failed(state, failure, answer, rules)
    still_since = state.remote_since or answer.checked_at
    due = freshness.due_after_answer(
        rules, reference, answer.checked_at, max(answer.checked_at - still_since, LONG_AGO)
    )
    return replace(state, next_check_at=due)


def history(before: AnswerState, after: AnswerState) -> Period | None:
    """Return the entry of the tag's history for the step from one state to the next."""
    was = None if before.gone else before.remote_digest
    now = None if after.gone else after.remote_digest
    if was == now or after.checked_at is None:
        return None
    return Period(at=after.checked_at, digest=now)


def _state_found(state: AnswerState, digest: str, at: datetime) -> AnswerState:
    moved = state.remote_digest != digest
    return replace(
        state,
        remote_digest=digest,
        remote_since=at if moved else state.remote_since,
        gone=False,
        checked_at=at,
        failure=None,
        error=None,
        failures=0,
        failing_since=None,
    )


def _missing(state: AnswerState, reason: str, answer: Answer) -> AnswerState:
    if state.remote_digest is None and answer.last_digest:
        since = answer.last_found_at or answer.checked_at
        state = replace(state, remote_digest=answer.last_digest, remote_since=since)
    return replace(
        state,
        gone=True,
        checked_at=answer.checked_at,
        failure=None,
        error=reason or "no such tag",
        failures=max(answer.failures, state.failures + 1),
        failing_since=state.failing_since or answer.checked_at,
    )


def _failed(
    state: AnswerState, failure: Failure, answer: Answer, rules: freshness.FreshnessRules
) -> AnswerState:
    kind = kind_of(failure)
    failures = max(answer.failures, state.failures + 1)
    until = failure.until if isinstance(failure, Limited) else None
    if state.remote_digest is None and not state.gone and answer.last_digest:
        # Another database saw it found; this one was emptied since.
        found_at = answer.last_found_at or answer.checked_at
        state = replace(
            state, remote_digest=answer.last_digest, remote_since=found_at, checked_at=found_at
        )
    return replace(
        state,
        failure=kind,
        error=failure.reason or kind,
        failures=failures,
        failing_since=state.failing_since or answer.checked_at,
        next_check_at=freshness.due_after_failure(rules, answer.checked_at, failures, until),
    )
