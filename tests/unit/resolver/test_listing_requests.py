"""The requests for a list of tags: which pages are asked for, where, and as whom."""

from urllib.parse import parse_qs

import pytest

from imagedrift_resolver.core.listing import Listing
from imagedrift_resolver.core.reply import Reply
from imagedrift_sandbox.registry.tag_pages import TagPaging
from imagedrift_schemas.v1 import Invalid
from support.conversations import BEARER, challenge, shown, site
from support.listings import MANY, NEXT, answered, in_turn, list_by_hand, page, paged, silent


def test_no_page_is_read_from_the_last_half_of_a_limit() -> None:
    """Every request is spare, counts as no pull, and asks for a thousand names at first."""
    _, asked = list_by_hand(paged(TagPaging.PLAIN, MANY))

    assert all(step.spare and step.own and step.counts_as == "HEAD" for step in asked)
    assert asked[0].url.target == "/v2/team/app/tags/list?n=1000"


def test_a_registry_that_refuses_the_number_is_asked_without_it() -> None:
    """A registry with a smaller maximum answers 400 to the number of names, and then 200."""
    serve = silent(["1.0"], 30)

    found, asked = list_by_hand(
        lambda step: Reply(400) if "n=1000" in step.url.target else serve(step)
    )

    assert found == Listing(found.tags)
    assert [step.url.target for step in asked] == [
        "/v2/team/app/tags/list?n=1000",
        "/v2/team/app/tags/list",
        "/v2/team/app/tags/list?last=1.0",
    ]


def test_pages_of_a_registrys_own_size_are_asked_for_to_the_end() -> None:
    """A registry that refuses our number and links no page is read name by name."""
    tags = [f"1.{number}" for number in range(100)]
    serve = silent(tags, 30)

    found, asked = list_by_hand(
        lambda step: Reply(400) if "n=1000" in step.url.target else serve(step)
    )

    assert found == Listing(found.tags)
    assert found.tags.names == set(tags)
    assert len(asked) == 1 + 4 + 1


def test_a_mirror_is_told_the_registry_on_every_page() -> None:
    """The mirror's path and the registry's name are in each request, though its link lacks them."""
    at = site(namespace="docker.io", prefix="hub/")

    _, asked = list_by_hand(paged(TagPaging.ARTIFACTORY, MANY), at)

    assert len(asked) == 3
    for step in asked:
        path, _, query = step.url.target.partition("?")
        assert path == "/v2/hub/team/app/tags/list"
        assert parse_qs(query)["ns"] == ["docker.io"]


def test_a_token_is_asked_for_the_repository() -> None:
    """A challenge is answered with the scope for pulls, also where the challenge names another."""

    def serve(step: object) -> Reply:
        return page(["1.0"]) if shown(step) else challenge(BEARER)  # type: ignore[arg-type]

    found, asked = list_by_hand(serve)

    assert found.tags.names == {"1.0"}
    assert shown(asked[-1]) == "Bearer token-registry.example.org-1"


@pytest.mark.parametrize(
    ("link", "follows"),
    [
        (NEXT, True),
        ("</v2/team/app/tags/list?last=1.0>;rel=next", True),
        ('</v2/team/app/tags/list?last=1.0>; rel="prev next"', True),
        ("</v2/team/app/tags/list?last=1.0>", True),
        ('<list?last=1.0>; rel="next"', True),
        ('<?last=1.0>; rel="next"', True),
        ('</v2/app/tags/list?last=1.0>; rel="next"', True),
        ('</v2/mirror/team/app/tags/list?last=1.0>; rel="next"', True),
        ('<https://registry.example.org:443/v2/team/app/tags/list?last=1>; rel="next"', True),
        ('</v2/x>; rel="prev", </v2/team/app/tags/list?last=1.0>; rel="next"', True),
        ('<http://registry.example.org/v2/team/app/tags/list?last=1>; rel="next"', False),
        ('<https://registry.example.org:8443/v2/team/app/tags/list?last=1>; rel="next"', False),
        ('<https://me@registry.example.org/v2/team/app/tags/list?last=1>; rel="next"', False),
        ('<//registry.example.net/v2/team/app/tags/list?last=1.0>; rel="next"', False),
        ('</v2/team/other/tags/list?last=1.0>; rel="next"', False),
        ('</v2/xteam/app/tags/list?last=1.0>; rel="next"', False),
        ('</v2/_catalog?last=1.0>; rel="next"', False),
        ('<ftp://registry.example.org/x>; rel="next"', False),
    ],
)
def test_a_link_is_followed_within_its_own_list_alone(link: str, follows: bool) -> None:
    """Of a link on the same origin and path the query is taken; any other is a failure."""
    found, asked = list_by_hand(in_turn(page(["1.0"], link), page(["1.1"])))

    assert [step.url.origin for step in asked] == [("https", "registry.example.org", 443)] * len(
        asked
    )
    if follows:
        assert found.tags.names == {"1.0", "1.1"}
        assert asked[1].url.target.startswith("/v2/team/app/tags/list?")
    else:
        assert len(asked) == 1
        assert isinstance(found.failure, Invalid)


@pytest.mark.parametrize(
    ("link", "requests"),
    [
        ('<>; rel="next"', 1),
        ('</v2/team/app/tags/list?n=1000>; rel="next"', 1),
        ('</v2/team/app/tags/list>; rel="next"', 2),
    ],
)
def test_a_link_to_the_page_itself_ends_the_list(link: str, requests: int) -> None:
    """A link to a page that was read, or that has no new name, is not followed again."""
    found, asked = list_by_hand(lambda _: page(["1.0"], link))

    assert (found.truncated, len(asked)) == ("pages", requests)


@pytest.mark.parametrize("link", ['</v2/x>; rel="prev"', "nonsense", "<", ""])
def test_another_relation_is_no_next_page(link: str) -> None:
    """A list without a link to the next page is at its end."""
    found, _ = list_by_hand(in_turn(page(["1.0"], link)))

    assert found == Listing(found.tags)


@pytest.mark.parametrize("names", [None, []])
def test_a_repository_without_tags_has_a_whole_and_empty_list(names: list[str] | None) -> None:
    """Registries write no tags as an empty list or as null."""
    told = answered(list_by_hand(in_turn(page(names)))[0])

    assert (told.tracks, told.count, told.truncated, told.failure) == ((), 0, "", None)


def test_a_name_that_no_tag_can_have_is_left_out() -> None:
    """Spaces, control characters and 129 characters are no tags, and count as none."""
    found, _ = list_by_hand(in_turn(page(["1.0", "a b", "x\n", "", "é", "y" * 129, "1.0"])))

    assert found.tags.names == {"1.0"}
