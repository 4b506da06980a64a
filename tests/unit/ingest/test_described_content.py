"""The content of a digest is made ready once, however many images it is compared with."""

import time

import pytest

from imagedrift_ingest.core.described_content import DescribedContent
from imagedrift_ingest.core.verdict import LocalSide, RemoteSide, judge
from imagedrift_schemas.v1 import Child
from support.ingest import digest

REMOTE = RemoteSide(digest=digest("remote"))


def child(platform: str, config_digest: str = "") -> Child:
    """A child of an index."""
    return Child(platform=platform, digest=digest(platform), config_digest=config_digest)


def test_thousands_of_images_are_held_against_thousands_of_children_at_once() -> None:
    """Images of a tag that one host made up delay no other host's verdict."""
    inside = DescribedContent([child(f"linux/arch{n}") for n in range(2000)])
    began = time.process_time()
    for n in range(20_000):
        local = LocalSide(image_id=digest(1), repo_digests=("x",), platform=f"linux/arch{n % 500}")
        assert judge(local, REMOTE, inside).verdict == "outdated"
    assert time.process_time() - began < 2


@pytest.mark.parametrize(
    ("offered", "wanted", "fits"),
    [
        ((), "linux/amd64", False),
        (("linux/amd64",), "linux/amd64", True),
        (("linux/arm/v6",), "linux/arm/v7", True),
        (("linux/arm/v7",), "linux/arm/v6", False),
        (("unknown/unknown",), "linux/amd64", False),
        (("linux/arm64", ""), "linux/amd64", True),
        (("linux/arm64",), "no platform", True),
    ],
)
def test_a_child_fits_a_host_by_its_platform(
    offered: tuple[str, ...], wanted: str, fits: bool
) -> None:
    """A child for an older variant fits, and one that names no platform may fit any host."""
    assert DescribedContent([child(each) for each in offered]).has_child_for(wanted) is fits


def test_an_image_is_found_by_its_manifest_or_its_configuration() -> None:
    """A child counts by both of its digests, and an empty one counts for nothing."""
    inside = DescribedContent([child("linux/amd64", config_digest=digest("config")), child("a/b")])
    assert inside.has_any_of({digest("linux/amd64")})
    assert inside.has_any_of({digest("config")})
    assert not inside.has_any_of({digest("other"), ""})
    assert not inside.has_every_configuration
