"""Newer versions: which tags of a list they are, and whether they are another image."""

from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from imagedrift_ingest.core.newer import (
    LocalImageSide,
    ResolvedSide,
    State,
    TrackIndex,
    VersionStanding,
    confirmed,
    standings,
)
from imagedrift_schemas.tags.version import read
from imagedrift_schemas.v1 import Child, TagTrack
from support.ingest import digest

AMD, ARM = "linux/amd64", "linux/arm64"
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
    found = standings(["1.27.3", "1.26.0", "1.27.3-alpine"], index(), most=3)
    assert found["1.27.3"].candidates
    assert found["1.26.0"].candidates == {"minor": "1.28.1", "major": "2.0.0"}
    assert found["1.27.3-alpine"] == VersionStanding({}, is_whole=False, behind=1)


def child(of: object, platform: str = AMD) -> Child:
    """A child of an index."""
    return Child(platform=platform, digest=digest(of))


def side(of: object, *children: Child, **facts: object) -> ResolvedSide:
    """A tag that points to a digest with these children."""
    return ResolvedSide(digest=digest(of), children=children or None, **facts)  # type: ignore[arg-type]


LOCAL = [LocalImageSide(AMD, frozenset({digest("local")}))]
OLD = side("old", child("old amd"), child("old arm", ARM))
NEW = side("new", child("new amd"), child("old arm", ARM))


@pytest.mark.parametrize(
    ("reference", "candidate", "state"),
    [
        (OLD, ResolvedSide(), "unresolved"),
        (OLD, ResolvedSide(failed=True), "failed"),
        (OLD, ResolvedSide(gone=True), "missing"),
        (OLD, ResolvedSide(digest=digest("new"), gone=True), "missing"),
        (OLD, side("old"), "same_image"),
        (OLD, side("new"), "unresolved"),
        (OLD, side("new", undescribable=True), "failed"),
        (OLD, ResolvedSide(digest=digest("new"), children=()), "failed"),
        (OLD, NEW, "newer"),
        (OLD, side("new", child("old amd")), "same_image"),
        (OLD, side("new", child("local")), "same_image"),
        (OLD, side("new", child("old", "")), "same_image"),
        (OLD, side("new", child("new", "")), "newer"),
        (OLD, side("new", child("new arm", ARM)), "missing"),
        (OLD, side("local", child("new amd")), "same_image"),
        (side("old"), NEW, "unresolved"),
        (side("old", undescribable=True), NEW, "newer"),
        (ResolvedSide(), NEW, "unresolved"),
        (ResolvedSide(gone=True), NEW, "newer"),
        (ResolvedSide(failed=True), NEW, "newer"),
        (ResolvedSide(digest=digest("old"), gone=True), NEW, "unresolved"),
    ],
)
def test_a_candidate_is_newer_only_when_it_is_known_to_be_another_image(
    reference: ResolvedSide, candidate: ResolvedSide, state: State
) -> None:
    """A candidate is resolved and described before it is told to be newer."""
    assert confirmed(reference, candidate, LOCAL) == state


def test_a_candidate_is_newer_when_it_is_so_for_one_platform_in_use() -> None:
    """Of several platforms in use one with another image is enough."""
    arm = LocalImageSide(ARM, frozenset())
    assert confirmed(OLD, NEW, [arm]) == "same_image"
    assert confirmed(OLD, NEW, [*LOCAL, arm]) == "newer"


def test_without_an_image_on_hosts_nothing_is_told() -> None:
    """A reference that no host has an image of any more is told nothing."""
    assert confirmed(OLD, NEW, []) == "unresolved"
