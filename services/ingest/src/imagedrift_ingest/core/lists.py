"""The changes that a tag list makes to a repository's state, and the time of its next question.

Rules:
- Only a newer list counts (`core.order`), as of answers.
- A failure keeps the tracks that were read last. Nothing is whole then (P11).
- A list without any name is believed to hide them: hosts have pulled from the repository.
- A list that never changes is asked less often: `freshness.due_after_list`.
- A list that another tag grammar cut is whole in no track: it may lack what ours takes for the
  newest.
- A list counts as whole for twice the time after which it is asked again: one that is not read any
  more does not say for ever that nothing is newer (P11).
"""

from datetime import datetime
from typing import Final, Literal, TypeAlias

from msgspec import Struct
from msgspec.structs import replace

from imagedrift_ingest.core import freshness, order
from imagedrift_ingest.core.standings import TrackIndex
from imagedrift_schemas.tags.version import GRAMMAR
from imagedrift_schemas.v1 import Limited, Listed, TagTrack, Truncated

ListFailure: TypeAlias = Literal[
    "missing", "denied", "limited", "unreachable", "refused", "unsupported", "invalid"
]


class ListState(Struct, frozen=True, kw_only=True):
    """Everything kept about the tags of a repository; the columns of `fleet.tag_lists`."""

    epoch: int = 0
    seq: int = 0
    tracks: tuple[TagTrack, ...] | None = None
    names: int = 0
    cut: bool = False
    truncated: Truncated = ""
    listed_at: datetime | None = None
    changed_at: datetime | None = None
    attempted_at: datetime | None = None
    failure: ListFailure | None = None
    error: str | None = None
    failures: int = 0
    failing_since: datetime | None = None
    next_list_at: datetime | None = None
    whole_until: datetime | None = None
    """Until when it may say that nothing is newer; None: it may not."""
    grammar: int = GRAMMAR
    """By which grammar the tracks are cut."""

    @property
    def index(self) -> TrackIndex:
        """Return the tracks, to be searched."""
        return TrackIndex(self.tracks or (), cut=self.cut, is_complete=self.is_complete)

    @property
    def is_complete(self) -> bool:
        """Tell whether the list was read to its end, and has names."""
        was_read = self.tracks is not None and self.names > 0
        return was_read and not self.truncated and self.failure is None

    def tells_as(self, other: "ListState") -> bool:
        """Tell whether the same is newer by another state."""
        return _telling(self) == _telling(other)


NOT_LISTED: Final = ListState()


def outgrown(state: ListState) -> ListState:
    """Return a state that another grammar cut, by ours: whole in no track, and due at once."""
    if state.grammar == GRAMMAR or state.tracks is None:
        return replace(state, grammar=GRAMMAR)
    due = state.next_list_at and state.attempted_at
    return replace(
        state,
        tracks=_in_no_track_whole(state.tracks),
        cut=True,
        whole_until=None,
        next_list_at=due,
        grammar=GRAMMAR,
    )


def _in_no_track_whole(tracks: tuple[TagTrack, ...]) -> tuple[TagTrack, ...]:
    return tuple(replace(track, whole=False) for track in tracks)


def _telling(state: ListState) -> tuple[object, ...]:
    return state.tracks, state.cut, state.truncated, state.failure is None


def stands(state: ListState, listed: Listed, *, epoch: int, seq: int) -> order.Order:
    """Tell whether a list is newer than the state."""
    return order.compare(
        order.Position(epoch, seq, listed.checked_at),
        order.Position(state.epoch, state.seq, state.attempted_at),
    )


def fold(
    state: ListState,
    listed: Listed,
    *,
    epoch: int,
    seq: int,
    rules: freshness.FreshnessRules,
    surely_newest: bool = False,
) -> ListState | None:
    """Return the state after a list; None when it is older than the state, or in doubt.

    `surely_newest`: the bucket has none that is newer, so that no doubt is left.
    """
    message_order = stands(state, listed, epoch=epoch, seq=seq)
    if message_order == "older" or (message_order == "doubtful" and not surely_newest):
        return None
    after = replace(state, epoch=epoch, seq=seq, attempted_at=listed.checked_at)
    if listed.failure is None:
        return _read(after, listed, rules)
    if listed.listed_at is not None:
        after = _with_tracks(after, listed, listed.listed_at)
    return _failed(after, listed, rules)


def _read(state: ListState, listed: Listed, rules: freshness.FreshnessRules) -> ListState:
    state = _with_tracks(state, listed, listed.checked_at)
    state = replace(state, failure=None, error=None, failures=0, failing_since=None)
    name = f"{listed.registry}/{listed.repository}"
    unchanged_for = listed.checked_at - (state.changed_at or listed.checked_at)
    due = freshness.due_after_list(rules, name, listed.checked_at, unchanged_for)
    whole_until = due + (due - listed.checked_at) if state.is_complete else None
    return replace(state, next_list_at=due, whole_until=whole_until)


def _with_tracks(state: ListState, listed: Listed, at: datetime) -> ListState:
    """Return a state with the tracks of a list that were read at a moment."""
    tracks, cut = _in_our_grammar(listed)
    is_same = state.tracks == tracks and state.changed_at is not None
    return replace(
        state,
        tracks=tracks,
        names=listed.count,
        cut=cut,
        truncated=listed.truncated,
        listed_at=at,
        grammar=GRAMMAR,
        changed_at=min(state.changed_at, at) if is_same and state.changed_at else at,
    )


def _in_our_grammar(listed: Listed) -> tuple[tuple[TagTrack, ...], bool]:
    """Return the tracks of a list as far as they are whole, and whether there may be others."""
    if listed.grammar == GRAMMAR:
        return listed.tracks, listed.cut
    return _in_no_track_whole(listed.tracks), True


def _failed(state: ListState, listed: Listed, rules: freshness.FreshnessRules) -> ListState:
    failure = listed.failure
    assert failure is not None
    kind: ListFailure = failure.__struct_config__.tag  # type: ignore[assignment]
    failures = max(listed.failures, state.failures + 1)
    until = failure.until if isinstance(failure, Limited) else None
    return replace(
        state,
        truncated="failed",
        failure=kind,
        error=failure.reason or kind,
        failures=failures,
        failing_since=state.failing_since or listed.checked_at,
        next_list_at=freshness.due_after_list_failure(rules, listed.checked_at, failures, until),
        whole_until=None,
    )
