"""The page of the versions: what is newer, and what is not known to be."""

import pytest

from imagedrift_dashboard.pages import versions
from support.pages import NGINX, Browser

COLLECTOR = "ghcr.io/example-organisation/platform/telemetry-collector:2026.10"
REDIS = "docker.io/library/redis:7"


async def test_what_is_newer_stands_by_its_step(pages: Browser) -> None:
    """A newer tag is named; a step without one says whether there is none, or none is known."""
    page = await pages.get("/versions")

    assert page.keys == [NGINX, COLLECTOR, REDIS]
    nginx, collector, redis = (page.texts.index(each) for each in page.keys)
    assert page.texts[nginx:][1:5] == ["none", "1.29", "none", "2"]
    assert page.texts[collector:][1:5] == ["not known", "not known", "not known", "–"]
    assert page.texts[redis:][1:5] == ["none", "none", "none", "0"]


@pytest.mark.parametrize(
    ("filters", "left"),
    [
        ("behind=yes", [NGINX]),
        ("registry=ghcr.io", [COLLECTOR]),
        ("registry=quay.io", []),
        ("text=NGINX", [NGINX]),
        ("behind=yes&text=redis", []),
    ],
)
async def test_a_filter_leaves_out_other_references(
    pages: Browser, filters: str, left: list[str]
) -> None:
    """Each filter leaves the references that pass it."""
    assert (await pages.get(f"/versions?{filters}")).keys == left


@pytest.mark.parametrize(
    ("tag", "state", "shown"),
    [
        ("1.28", "newer", "1.28"),
        (None, "same_image", "the same image"),
        (None, "none", "none"),
        (None, "unknown", "not known"),
    ],
)
def test_no_newer_version_is_not_the_same_as_none_known(
    tag: str | None, state: str, shown: str
) -> None:
    """A list that ended early says of no step that nothing is newer."""
    assert shown in str(versions.newest(tag, state))
