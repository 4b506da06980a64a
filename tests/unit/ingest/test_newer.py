"""Newer versions: whether they are another image than what hosts have."""

import pytest

from imagedrift_ingest.core.newer import CandidateState, LocalImageSide, ResolvedSide, confirmed
from imagedrift_schemas.v1 import Child
from support.ingest import digest

AMD, ARM = "linux/amd64", "linux/arm64"


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
    reference: ResolvedSide, candidate: ResolvedSide, state: CandidateState
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
