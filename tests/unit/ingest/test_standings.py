"""How references stand in a tag list, and what of that differs from what is stored."""

from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from imagedrift_ingest.core.standings import (
    MOST_COMPARED,
    Difference,
    StoredStanding,
    TrackIndex,
    VersionStanding,
    differences,
    standings,
    within_quota,
)
from imagedrift_schemas.tags.version import read
from imagedrift_schemas.v1 import TagTrack

NAMES = ("2.0.0", "1.28.1", "1.27.5", "1.27.4", "1.27.3", "1.26.0")
PLAIN = TagTrack(names=NAMES)
ALPINE = TagTrack(names=("1.27.9-alpine", "1.27.3-alpine"))
TRACKS = (PLAIN, ALPINE)


def index(
    tracks: Sequence[TagTrack] = TRACKS, *, cut: bool = False, is_complete: bool = True
) -> TrackIndex:
    """The tracks of a list."""
    return TrackIndex(tracks, cut=cut, is_complete=is_complete)


def standing(tag: str, of: TrackIndex) -> VersionStanding:
    """How a tag stands in a list."""
    version = read(tag)
    assert version is not None
    return of.standing(version)


def test_the_newest_of_each_step_is_found_in_the_track() -> None:
    """Of a tag's own track the newest patch, minor and major are named."""
    found = standing("1.27.3", index())
    assert found.candidates == {"patch": "1.27.5", "minor": "1.28.1", "major": "2.0.0"}
    assert (found.is_whole, found.behind) == (True, 4)
    found = standing("1.27.3-alpine", index())
    assert (found.candidates, found.behind) == ({"patch": "1.27.9-alpine"}, 1)


def test_the_newest_tag_has_nothing_newer() -> None:
    """The newest tag of a whole list is behind by 0."""
    assert standing("2.0.0", index()) == VersionStanding({}, is_whole=True, behind=0)


@pytest.mark.parametrize(
    "of",
    [
        index(is_complete=False),
        index([TagTrack(names=NAMES, whole=False)]),
        index([ALPINE], cut=True),
        index([ALPINE], is_complete=False),
        index([], is_complete=False),
        index([], cut=True),
        index([PLAIN, ALPINE, TagTrack(names=("1.0.0",))]),
        index([TagTrack(names=(*NAMES, "3.0.0-alpine"))]),
        index([TagTrack(names=(*NAMES, "latest"))]),
        index([TagTrack(names=("latest",)), ALPINE]),
    ],
)
def test_p11_a_list_that_is_not_whole_never_says_that_nothing_is_newer(of: TrackIndex) -> None:
    """Without all names of a track its newest tag may have a newer one."""
    assert standing("2.0.0", of) == VersionStanding({}, is_whole=False, behind=None)
    found = standing("1.27.3", of)
    assert not found.is_whole
    assert found.behind != 0


@given(
    names=st.lists(st.sampled_from([*NAMES, "3.1", "1.30.0-rc1", "latest", "1.27.9-alpine"])),
    tag=st.sampled_from(NAMES),
    whole=st.booleans(),
    cut=st.booleans(),
    is_complete=st.booleans(),
)
def test_p11_nothing_newer_is_told_of_whole_tracks_alone(
    names: list[str], tag: str, whole: bool, cut: bool, is_complete: bool
) -> None:
    """Of any list 0 newer versions are told only where no name lacks."""
    tracks = [TagTrack(names=(name,), whole=whole) for name in dict.fromkeys(names)]
    found = standing(tag, index(tracks, cut=cut, is_complete=is_complete))
    if found.behind == 0 or found.is_whole:
        assert is_complete
        assert whole or not cut
    assert bool(found.candidates) == bool(found.behind)


def test_candidates_beyond_the_limit_are_not_named() -> None:
    """References of few hosts, whose candidates would be too many, have unknown steps."""
    found = standings(["1.27.3", "1.26.0", "1.27.3-alpine"], index(), most_candidates=3)
    assert found["1.27.3"].candidates
    assert found["1.26.0"].candidates == {"minor": "1.28.1", "major": "2.0.0"}
    assert found["1.27.3-alpine"] == VersionStanding({}, False, behind=1, left_out=True)


def test_tags_beyond_the_limit_are_not_looked_at() -> None:
    """Of a repository with very many tags in use those of most hosts are told alone."""
    assert standings(["2.0.0", "1.27.3"], index(), most=1).keys() == {"2.0.0"}


def row(tag: str, ref_id: int = 1, rank: int = 1, **facts: Any) -> StoredStanding:
    """A reference that hosts have, as it is stored."""
    return StoredStanding(ref_id, tag, is_used=True, rank=rank, **facts)


WHOLE = {"is_compared": True, "is_whole": True}


def differences_of(rows: Sequence[StoredStanding], is_new: bool = True) -> list[Difference]:
    """The differences of rows by the list of these tests."""
    return list(differences(rows, index(), is_new=is_new))


def test_a_new_reference_is_compared_and_what_stands_as_stored_is_not_written() -> None:
    """Only what differs is written: the new steps, those that are gone, and how many are newer."""
    steps = {"patch": "1.27.4", "minor": "1.28.1"}
    [found] = differences_of([row("1.27.3", steps=steps, behind=3, **WHOLE)])
    assert found.changed == {"patch": "1.27.5", "major": "2.0.0"}
    assert (found.dropped, found.standing.behind) == ((), 4)
    [found] = differences_of([row("2.0.0", steps={"major": "3.0.0"}, behind=1, **WHOLE)])
    assert (found.changed, found.dropped) == ({}, ("major",))
    assert differences_of([row("2.0.0", behind=0, **WHOLE)]) == []


def test_a_list_that_tells_the_same_is_read_for_new_references_alone() -> None:
    """A reference that is not compared yet is, and so is one that was left out over a quota."""
    stored = row("1.27.3", behind=0, **WHOLE)
    assert differences_of([stored], is_new=False) == []
    assert len(differences_of([stored, row("2.0.0", 2, 2)], is_new=False)) == 2
    assert len(differences_of([row("2.0.0", is_compared=True, left_out=True)], is_new=False)) == 1


def test_a_reference_that_no_host_has_loses_its_steps() -> None:
    """A reference without hosts is compared with nothing, whether a list was read or not."""
    gone = StoredStanding(1, "1.27.3", is_used=False, is_compared=True, steps={"patch": "1.27.5"})
    [found] = differences([gone], None, is_new=False)
    assert (found.is_compared, found.dropped) == (False, ("patch",))
    assert list(differences([row("1.27.3")], None, is_new=True)) == []


def test_p11_a_reference_beyond_the_limit_says_that_it_was_not_looked_at() -> None:
    """Of a reference of few hosts among too many tags it is never said that nothing is newer."""
    rows = [row(f"1.0.{n}", n, n) for n in range(1, MOST_COMPARED + 3)]
    found = {each.ref_id: each.standing for each in differences_of(rows)}
    assert not found[MOST_COMPARED].left_out
    assert found[MOST_COMPARED + 1] == VersionStanding(left_out=True)
    beyond = row("1.0.9", 9, MOST_COMPARED + 1, is_compared=True, left_out=True)
    assert differences_of([beyond], is_new=False) == []


def test_p11_candidates_over_a_quota_are_left_out_and_their_reference_is_not_whole() -> None:
    """A step whose newest tag may not be asked is unknown; those that may are kept."""
    [found] = differences_of([row("1.27.3")])
    assert within_quota(found, {"1.27.5", "1.28.1", "2.0.0"}) == found
    some = within_quota(found, {"1.27.5"})
    assert some.changed == {"patch": "1.27.5"}
    assert (some.standing.is_whole, some.standing.left_out, some.standing.behind) == (
        False, True, 4
    )  # fmt: skip
