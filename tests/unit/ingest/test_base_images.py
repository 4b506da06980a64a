"""Base images: which reference a label's base is asked as, and whether it was replaced."""

import pytest

from imagedrift_ingest.core.base_images import NotAsked, reference_of, state_of
from imagedrift_ingest.core.newer import CandidateState, ResolvedSide
from imagedrift_schemas.v1 import Child
from support.ingest import digest

AMD, ARM = "linux/amd64", "linux/arm64"
DIGEST = digest("d")


@pytest.mark.parametrize(
    ("name", "reference"),
    [
        ("docker.io/library/alpine:3.20", "docker.io/library/alpine:3.20"),
        ("docker.io/alpine:3.20", "docker.io/library/alpine:3.20"),
        ("index.docker.io/library/alpine:3.20", "docker.io/library/alpine:3.20"),
        ("ghcr.io/acme/base", "ghcr.io/acme/base:latest"),
        ("GHCR.io/acme/base:1", "ghcr.io/acme/base:1"),
        (f"ghcr.io/acme/base:1@{DIGEST}", "ghcr.io/acme/base:1"),
        ("r.example:5000/base:1", "r.example:5000/base:1"),
        ("localhost:5000/base:1", "localhost:5000/base:1"),
        ("localhost/base:1", "localhost/base:1"),
        ("[::1]:5000/base:1", "[::1]:5000/base:1"),
    ],
)
def test_a_base_with_a_registry_in_its_name_is_asked_as_a_reference(
    name: str, reference: str
) -> None:
    """Names of one tag are one reference, whatever the spelling."""
    assert reference_of(name) == (reference, None)


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("alpine:3.20", "short_name"),
        ("alpine", "short_name"),
        ("library/alpine:3.20", "short_name"),
        ("acme/base:1", "short_name"),
        ("REGISTRY/base:1", "short_name"),
        ("scratch", "short_name"),
        (f"alpine@{DIGEST}", "short_name"),
        ("", "short_name"),
        ("r.example:5000", "short_name"),
        (f"ghcr.io/acme/base@{DIGEST}", "by_digest"),
        ("ghcr.io/Acme/Base:1", "bad_name"),
        ("ghcr.io/", "bad_name"),
        ("https://ghcr.io/acme/base", "bad_name"),
        ("ghcr.io/acme/base:1 as build", "bad_name"),
        ("../base:1", "bad_name"),
        ("ghcr.io/acme/base@sha256:12", "bad_name"),
    ],
)
def test_p2_a_base_without_a_registry_in_its_name_is_never_asked(name: str, why: NotAsked) -> None:
    """A short name, a digest that cannot move, and what is no reference are asked of nobody."""
    assert reference_of(name) == ("", why)


def child(of: object, platform: str = AMD) -> Child:
    """A child of an index."""
    return Child(platform=platform, digest=digest(of))


def side(of: object, *children: Child, **facts: object) -> ResolvedSide:
    """A digest with these children."""
    return ResolvedSide(digest=digest(of), children=children or None, **facts)  # type: ignore[arg-type]


INDEX = side("old", child("old amd"), child("old arm", ARM))
MANIFEST = side("old amd", child("old amd"))


@pytest.mark.parametrize(
    ("base", "tag", "state"),
    [
        (side("old"), side("old"), "same_image"),
        (INDEX, side("new"), "unresolved"),
        (INDEX, side("new", undescribable=True), "failed"),
        (INDEX, side("new", child("new amd"), child("old arm", ARM)), "newer"),
        (INDEX, side("new", child("old amd"), child("new arm", ARM)), "same_image"),
        (INDEX, side("new", child("new arm", ARM)), "missing"),
        (side("old"), side("new", child("new amd")), "unresolved"),
        (side("old", undescribable=True), side("new", child("new amd")), "newer"),
        (side("old amd"), side("new", child("old amd")), "same_image"),
        (side("old amd"), side("new", child("new amd"), child("old amd")), "same_image"),
        (MANIFEST, side("new", child("new amd"), child("old arm", ARM)), "newer"),
        (MANIFEST, side("new amd", child("new amd", "")), "newer"),
        (side("old"), ResolvedSide(), "unresolved"),
        (side("old"), ResolvedSide(failed=True), "failed"),
        (side("old"), ResolvedSide(digest=digest("old"), gone=True), "missing"),
    ],
)
def test_a_base_is_replaced_when_its_tag_has_another_image_for_the_platform(
    base: ResolvedSide, tag: ResolvedSide, state: CandidateState
) -> None:
    """The digest in a label may be that of an index or of one platform's manifest."""
    assert state_of(base, tag, AMD) == state
