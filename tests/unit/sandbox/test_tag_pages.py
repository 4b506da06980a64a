"""Pages of tags, in each of the ways in which registries give them out."""

from urllib.parse import parse_qsl, urlsplit

import pytest

from imagedrift_sandbox.registry.tag_pages import HUGE_BYTES, TagPaging, huge_body, tag_page

URL = "http://r.example"
PATH = "/v2/team/app/tags/list"
TAGS = [f"1.{number}" for number in range(120)]


def pages(paging: TagPaging, most: int = 10) -> list[list[str]]:
    """Follow the links from the first page, 50 names at a time."""
    query = {"n": "50"}
    seen: list[list[str]] = []
    while len(seen) < most:
        names, link = tag_page(paging, TAGS, URL, PATH, query)
        seen.append(names)
        if not link:
            break
        query = dict(parse_qsl(urlsplit(link[1 : link.index(">")]).query))
    return seen


@pytest.mark.parametrize(
    "paging",
    [
        TagPaging.PLAIN,
        TagPaging.GHCR,
        TagPaging.ECR,
        TagPaging.ARTIFACTORY,
        TagPaging.QUAY,
        TagPaging.RED_HAT,
    ],
)
def test_links_lead_through_all_tags(paging: TagPaging) -> None:
    """Every tag is on one page, whatever the order and the cursor."""
    seen = pages(paging)

    assert len(seen) == 3
    assert sorted(name for page in seen for name in page) == sorted(TAGS)


@pytest.mark.parametrize("paging", [TagPaging.ENDLESS, TagPaging.REPEATS])
def test_a_registry_that_lies_has_always_one_more_page(paging: TagPaging) -> None:
    """A reader has to stop by itself."""
    assert len(pages(paging, 30)) == 30


def test_a_capped_list_does_not_tell_that_there_is_more() -> None:
    """The first 1,000 names come without a link."""
    many = [str(number) for number in range(2000)]
    names, link = tag_page(TagPaging.CAPPED, many, URL, PATH, {})
    assert (len(names), link) == (1000, "")


def test_a_link_elsewhere_names_another_host() -> None:
    """The next page is said to be at another registry."""
    _, link = tag_page(TagPaging.ELSEWHERE, TAGS, URL, PATH, {"n": "50"})
    assert link.startswith("<https://registry.example.net/v2/team/app/tags/list?")


async def test_a_huge_page_has_a_hundred_megabytes() -> None:
    """The page is larger than anybody may read, and comes in pieces."""
    sizes = [len(piece) async for piece in huge_body()]
    assert sum(sizes) > HUGE_BYTES > 50 * max(sizes)
