"""The page of the versions: what is newer, and what is not known to be."""

import pytest

from imagedrift_dashboard.pages import versions
from support.pages import NGINX, Browser


async def test_what_is_newer_stands_by_its_step(pages: Browser) -> None:
    """A newer tag is named; a step without one says whether there is none."""
    page = await pages.get("/versions")

    assert page.keys == [NGINX]
    told = page.texts[page.texts.index("Error") + 1 :]
    assert told[:7] == [NGINX, "none", "1.28", "the same image", "3", "2", "2"]


@pytest.mark.parametrize(
    ("filters", "left"),
    [
        ("behind=yes", [NGINX]),
        ("registry=docker.io", [NGINX]),
        ("registry=ghcr.io", []),
        ("text=NGINX", [NGINX]),
        ("text=redis", []),
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
