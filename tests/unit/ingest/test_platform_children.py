"""The children of a digest by platform: each host's is chosen as its engine would."""

import pytest

from imagedrift_ingest.core.platform_children import PlatformChildren
from imagedrift_schemas.v1 import Child
from support.ingest import digest

OFFERED = ("linux/arm/v6", "linux/arm/v7", "linux/amd64", "unknown/unknown", "", "no platform")


@pytest.mark.parametrize(
    ("wanted", "chosen"),
    [
        ("linux/amd64", "linux/amd64"),
        ("linux/arm/v7", "linux/arm/v7"),
        ("linux/arm/v6", "linux/arm/v6"),
        ("linux/s390x", ""),
        ("unknown/unknown", ""),
        ("neither", ""),
    ],
)
def test_a_host_runs_the_child_of_its_platform(wanted: str, chosen: str) -> None:
    """The best child of the platform is chosen, else the first one that names no platform."""
    offered = [Child(platform=each, digest=digest(each)) for each in OFFERED]
    child = PlatformChildren(offered).child_for(wanted)
    assert child is not None
    assert child.platform == chosen


@pytest.mark.parametrize("wanted", ["linux/arm64", "no platform", "unknown/unknown"])
def test_a_host_for_whose_platform_there_is_no_child_runs_none(wanted: str) -> None:
    """Where each child names another platform, none is chosen."""
    offered = [Child(platform="linux/amd64", digest=digest("amd64"))]
    assert PlatformChildren(offered).child_for(wanted) is None
