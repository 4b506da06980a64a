"""One page of tags is read as far as it came, and the next one is of the same list."""

from datetime import UTC, datetime

import pytest

from imagedrift_resolver.core.reply import Reply
from imagedrift_resolver.core.site import Site
from imagedrift_resolver.core.tag_page import (
    TagPage,
    first_page,
    may_be_capped,
    next_page,
    page_after,
    read_page,
)
from imagedrift_resolver.core.url import parse_url
from imagedrift_schemas.v1 import Invalid, Missing, Unsupported

NOW = datetime(2026, 11, 26, tzinfo=UTC)
SITE = Site(registry="r.example", api=parse_url("https://r.example"))
FIRST = first_page(SITE, "team/app")


def test_a_thousand_names_are_asked_for() -> None:
    """The first page has as many names as registries give."""
    assert str(FIRST) == "https://r.example/v2/team/app/tags/list?n=1000"


@pytest.mark.parametrize(
    ("body", "names", "told", "last"),
    [
        (b'{"name":"a","tags":["1.0","1.1"]}', ("1.0", "1.1"), 2, "1.1"),
        (b'{"tags":["1.0","","no tag"]}', ("1.0",), 3, "no tag"),
        (b'{"tags":null}', (), 0, ""),
        (b'{"tags":[]}', (), 0, ""),
    ],
)
def test_names_that_no_tag_can_have_are_left_out(
    body: bytes, names: tuple[str, ...], told: int, last: str
) -> None:
    """Every name is counted, and those are read that a tag can have."""
    read = read_page(Reply(200, body=body), 999, NOW)

    assert read == TagPage(names, told, len(body), last=last)


def test_a_page_that_was_cut_for_its_size_counts_as_far_as_it_came() -> None:
    """The name within which it was cut is not read."""
    body = b'{"tags":["1.0","1.1","1.'
    page = read_page(Reply(200, body=body, cut=True), len(body), NOW)
    assert isinstance(page, TagPage)
    assert page.is_cut
    assert "1." not in page.names
    assert page.names[0] == "1.0"


@pytest.mark.parametrize(
    ("reply", "kind"),
    [
        (Reply(405), Unsupported),
        (Reply(404, body=b'{"errors":[{"code":"NAME_UNKNOWN"}]}'), Missing),
        (Reply(200, body=b"<html>"), Invalid),
        (Reply(200, body=b"{}"), Invalid),
        (Reply(200, body=b'{"tags":["1'), Invalid),
    ],
)
def test_a_page_that_is_none_says_why(reply: Reply, kind: type) -> None:
    """A refusal and a page of another form are no empty list."""
    assert isinstance(read_page(reply, 999, NOW), kind)


@pytest.mark.parametrize(
    ("link", "query"),
    [
        ('</v2/team/app/tags/list?last=2>; rel="next"', "last=2"),
        ("<https://r.example/v2/team/app/tags/list?last=2>; rel=next", "last=2"),
        ('</v2/app/tags/list?last=2>; rel="next"', "last=2"),
        ('<?last=2>; rel="next"', "last=2"),
        ("</v2/team/app/tags/list?last=2>", "last=2"),
    ],
)
def test_the_next_page_is_of_the_same_list(link: str, query: str) -> None:
    """Of a link the query is taken, and our own path."""
    found = next_page(SITE, FIRST, (link,))
    assert str(found) == f"https://r.example/v2/team/app/tags/list?{query}"


@pytest.mark.parametrize(
    "link",
    [
        "<https://other.example/v2/team/app/tags/list?last=2>",
        "<http://r.example/v2/team/app/tags/list?last=2>",
        "</v2/other/tags/list?last=2>",
        "</v2/team/app/manifests/1>",
        "<https://[>",
    ],
)
def test_a_link_that_leads_elsewhere_is_not_followed(link: str) -> None:
    """Another host, another scheme and another list are refused."""
    assert isinstance(next_page(SITE, FIRST, (link,)), Invalid)


@pytest.mark.parametrize("links", [(), ('</x>; rel="prev"',), ("",)])
def test_the_last_page_has_no_link_to_a_next_one(links: tuple[str, ...]) -> None:
    """A link of another relation leads nowhere."""
    assert next_page(SITE, FIRST, links) is None


@pytest.mark.parametrize(
    ("told", "is_first", "has_own_size", "expected"),
    [
        (100, True, False, True),
        (100, False, False, False),
        (101, True, False, False),
        (1000, False, False, True),
        (7, True, True, True),
        (0, True, True, False),
    ],
)
def test_a_page_of_as_many_names_as_registries_give_may_be_capped(
    told: int, is_first: bool, has_own_size: bool, expected: bool
) -> None:
    """A cap may be the first page's length, a thousand, or any number that a registry chose."""
    page = TagPage((), told, 0)

    assert may_be_capped(page, is_first=is_first, has_own_size=has_own_size) is expected


@pytest.mark.parametrize(
    ("target", "name", "expected"),
    [
        ("/v2/a/tags/list", "1.0", "/v2/a/tags/list?last=1.0"),
        ("/v2/a/tags/list?n=1000", "1.0", "/v2/a/tags/list?n=1000&last=1.0"),
        (
            "/v2/a/tags/list?ns=docker.io&n=9&last=0&token=x",
            "1",
            "/v2/a/tags/list?ns=docker.io&n=9&last=1",
        ),
        ("/v2/a/tags/list?n=1000", "a&n=1 \ud800", "/v2/a/tags/list?n=1000&last=a%26n%3D1%20%3F"),
    ],
)
def test_the_names_after_one_are_asked_for_by_it(target: str, name: str, expected: str) -> None:
    """The number and the registry's name stay; a cursor of another page goes."""
    after = page_after(parse_url(f"https://r.example{target}"), name)

    assert after is not None
    assert after.target == expected


@pytest.mark.parametrize("name", ["", "x" * 129])
def test_no_names_are_asked_for_after_what_is_no_name(name: str) -> None:
    """After an empty name, or one longer than any tag, nothing is asked."""
    assert page_after(FIRST, name) is None
