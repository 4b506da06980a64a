"""A repository's tags: which list counts, what a failure keeps, and when they are listed next."""

from datetime import timedelta
from typing import Any

import pytest
from msgspec.structs import replace

from imagedrift_ingest.core.freshness import FreshnessRules
from imagedrift_ingest.core.lists import ListState, fold, outgrown
from imagedrift_schemas.tags.version import GRAMMAR, read
from imagedrift_schemas.v1 import (
    Denied,
    Failure,
    Invalid,
    Limited,
    Listed,
    Missing,
    Refused,
    TagTrack,
    Truncated,
    Unreachable,
    Unsupported,
)
from support.ingest import NOW

RULES = FreshnessRules(freshness_s=300, list_freshness_s=43_200)
TRACK = TagTrack(names=("2.0.0", "1.27.3"))
DAY = timedelta(days=1)
FAILURES: tuple[Failure, ...] = (
    Missing(), Denied(), Limited(), Unreachable(), Refused(), Unsupported(), Invalid()
)  # fmt: skip


def listed(**facts: Any) -> Listed:
    """A list of two tags."""
    given: dict[str, Any] = {
        "registry": "r.io",
        "repository": "a",
        "checked_at": NOW,
        "tracks": (TRACK,),
        "count": 2,
        "listed_at": facts.get("checked_at", NOW),
    }
    return Listed(**(given | facts))


def folded(state: ListState, tags: Listed, seq: int = 1, epoch: int = 1) -> ListState:
    """The state after a list, which has to count."""
    after = fold(state, tags, epoch=epoch, seq=seq, rules=RULES)
    assert after is not None
    return after


def test_a_list_is_kept_with_when_it_was_read() -> None:
    """A list that was read to its end tells its tracks, and is due again after its freshness."""
    state = folded(ListState(), listed())
    assert (state.tracks, state.names, state.listed_at, state.failure) == ((TRACK,), 2, NOW, None)
    assert state.next_list_at is not None
    assert timedelta(hours=12) <= state.next_list_at - NOW <= timedelta(hours=13.2)


def test_a_list_that_never_changes_is_asked_less_often() -> None:
    """After four weeks without a change the tags are listed every two days."""
    state = folded(ListState(), listed())
    for n in range(1, 5):
        state = folded(state, listed(checked_at=NOW + 7 * n * DAY), seq=n + 1)
    assert state.changed_at == NOW
    assert state.next_list_at is not None
    assert state.next_list_at - (NOW + 28 * DAY) >= 2 * DAY
    again = folded(state, listed(checked_at=NOW + 30 * DAY, tracks=(), count=1), seq=9)
    assert again.changed_at == NOW + 30 * DAY


@pytest.mark.parametrize("failure", FAILURES)
def test_a_failure_keeps_the_tracks_that_were_read_last(failure: Failure) -> None:
    """A failed list keeps what was read before, whether it brings it along or not."""
    before = folded(ListState(), listed())
    failed = {"failure": failure, "truncated": "failed", "checked_at": NOW + DAY}
    for failed_list in (
        listed(**failed, listed_at=NOW),
        listed(**failed, listed_at=None, tracks=(), count=0),
    ):
        state = folded(before, failed_list, seq=2)
        assert (state.tracks, state.listed_at) == ((TRACK,), NOW)
        assert (state.truncated, state.failures, state.failing_since) == ("failed", 1, NOW + DAY)
        assert state.error


@pytest.mark.parametrize("truncated", ["pages", "bytes", "time", "failed"])
@pytest.mark.parametrize("failure", [None, *FAILURES])
def test_p11_a_failed_or_truncated_list_tells_nothing_of_a_step_without_a_newer_tag(
    truncated: Truncated, failure: Failure | None
) -> None:
    """No failure and no reason to stop lets a list say that nothing is newer."""
    tags = listed(truncated=truncated, failure=failure)
    state = folded(folded(ListState(), listed()), tags, seq=2)
    newest, older = read("2.0.0"), read("1.27.3")
    assert newest is not None
    assert older is not None
    assert state.index.standing(newest).behind is None
    assert state.index.standing(older).candidates == {"major": "2.0.0"}
    assert not state.index.standing(older).is_whole


def test_p11_a_list_without_any_name_tells_nothing() -> None:
    """A registry that shows no tag of a repository that hosts pulled from hides them."""
    state = folded(ListState(), listed(tracks=(), count=0))
    version = read("2.0.0")
    assert version is not None
    assert state.index.standing(version).behind is None


def test_p11_a_list_counts_as_whole_for_twice_its_period() -> None:
    """A list that is not read any more does not say for ever that nothing is newer."""
    state = folded(ListState(), listed())
    assert state.next_list_at is not None
    assert state.whole_until == NOW + 2 * (state.next_list_at - NOW)


@pytest.mark.parametrize(
    "tags",
    [
        listed(failure=Denied(), truncated="failed", checked_at=NOW + DAY),
        listed(truncated="pages", checked_at=NOW + DAY),
        listed(tracks=(), count=0, checked_at=NOW + DAY),
    ],
)
def test_p11_a_list_that_is_not_whole_never_counts_as_whole(tags: Listed) -> None:
    """A failed, truncated or empty list ends the time in which the one before it counts."""
    state = folded(folded(ListState(), listed()), tags, seq=2)
    assert state.whole_until is None


def test_a_list_that_is_read_again_ends_the_failure() -> None:
    """After a failure a whole list counts in full."""
    failed = folded(ListState(), listed(failure=Denied(), truncated="failed"))
    state = folded(failed, listed(checked_at=NOW + DAY), seq=2)
    assert (state.failure, state.error, state.failures, state.truncated) == (None, None, 0, "")
    assert not state.tells_as(failed)


def test_a_failed_list_is_tried_again_later_each_time() -> None:
    """A failed list is tried after an hour, then two, four at most, or when the registry says."""
    state, waits = ListState(), []
    for n in range(1, 6):
        tags = listed(failure=Unreachable(), truncated="failed", listed_at=None)
        state = folded(state, tags, seq=n)
        assert state.next_list_at is not None
        waits.append((state.next_list_at - NOW) / timedelta(hours=1))
    assert waits == [1, 2, 4, 4, 4]
    until = NOW + timedelta(minutes=10)
    tags = listed(failure=Limited(until=until), truncated="failed")
    assert folded(ListState(), tags).next_list_at == until


def test_an_older_list_changes_nothing() -> None:
    """Only a list that stands behind the stored one replaces it."""
    state = folded(ListState(), listed(), seq=5)
    older = listed(checked_at=NOW - DAY, tracks=())
    assert fold(state, older, epoch=1, seq=4, rules=RULES) is None
    doubtful = listed(checked_at=NOW + DAY)
    assert fold(state, doubtful, epoch=1, seq=4, rules=RULES) is None
    sure = fold(state, doubtful, epoch=1, seq=4, rules=RULES, surely_newest=True)
    assert sure is not None
    assert sure.listed_at == NOW + DAY


def test_p11_a_stored_list_of_another_grammar_is_whole_in_no_track_and_due() -> None:
    """A list of an earlier release is kept as far as it names newer tags, and is made anew."""
    stored = replace(folded(ListState(), listed()), grammar=GRAMMAR + 1)
    grown = outgrown(stored)
    assert (grown.grammar, grown.cut, grown.whole_until) == (GRAMMAR, True, None)
    assert not any(track.whole for track in grown.tracks or ())
    assert grown.next_list_at == stored.attempted_at
    assert outgrown(grown) == grown
    rests = replace(stored, next_list_at=None)
    assert outgrown(rests).next_list_at is None


def test_p11_a_list_that_another_grammar_cut_is_whole_in_no_track() -> None:
    """P11: its newer names are shown, and no track of it is said to have no more of them."""
    ours = folded(ListState(), listed())
    other = folded(ListState(), listed(grammar=GRAMMAR + 1))
    assert ours.tracks
    assert other.tracks
    assert (ours.tracks[0].whole, ours.cut) == (True, False)
    assert (other.tracks[0].whole, other.cut) == (False, True)
    assert other.tracks[0].names == ours.tracks[0].names
    assert not other.tells_as(ours)
