"""A list of tags, in the way of every registry, and of those that lie: as played by hand."""

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import UNSET

from imagedrift_resolver.core.listing import Listing
from imagedrift_resolver.core.reply import NoResponse, Reply
from imagedrift_resolver.core.tag_list import MOST_PAGES
from imagedrift_sandbox.registry.tag_pages import TagPaging
from imagedrift_schemas.tags.newer import newer_in
from imagedrift_schemas.tags.version import read
from imagedrift_schemas.v1 import (
    Denied,
    Invalid,
    Limited,
    Missing,
    Truncated,
    Unreachable,
    Unsupported,
)
from support.conversations import NOW, unknown
from support.listings import (
    MANY,
    NEXT,
    Got,
    ListServer,
    answered,
    assert_p11,
    in_turn,
    list_by_hand,
    page,
    paged,
    silent,
)

SOME = MANY[:930]


@pytest.mark.parametrize(
    ("paging", "tags", "pages"),
    [
        (TagPaging.PLAIN, MANY, 3),
        (TagPaging.GHCR, MANY, 3),
        (TagPaging.ECR, MANY, 3),
        (TagPaging.ARTIFACTORY, MANY, 3),
        (TagPaging.QUAY, SOME, 19),
        (TagPaging.RED_HAT, SOME, 19),
    ],
)
def test_every_way_of_paging_is_followed_to_its_end(
    paging: TagPaging, tags: list[str], pages: int
) -> None:
    """Cursors, tokens, absolute links, and paths that lack a part lead through the whole list."""
    found, asked = list_by_hand(paged(paging, tags))

    assert found == Listing(found.tags)
    assert found.tags.names == set(tags)
    assert len(asked) == found.tags.pages == pages


@pytest.mark.parametrize(
    ("paging", "tags", "truncated", "requests"),
    [
        (TagPaging.CAPPED, MANY, "pages", 2),
        (TagPaging.ENDLESS, [], "pages", MOST_PAGES),
        (TagPaging.QUAY, MANY, "pages", MOST_PAGES),
        (TagPaging.REPEATS, MANY, "pages", 2),
        (TagPaging.ELSEWHERE, MANY, "failed", 1),
    ],
)
def test_p11_a_list_that_lies_or_is_too_long_is_told_as_cut_short(
    paging: TagPaging, tags: list[str], truncated: Truncated, requests: int
) -> None:
    """P11: a silent cap, pages without end or again, and a link elsewhere end the list early."""
    found, asked = list_by_hand(paged(paging, tags))

    assert found.truncated == truncated
    assert len(asked) == requests
    assert {step.url.host for step in asked} == {"registry.example.org"}
    assert_p11(answered(found))


@pytest.mark.parametrize("most", [50, 100, 200, 250, 500, 1000])
@pytest.mark.parametrize("count", [0, 1, 130])
def test_p11_a_cap_without_a_word_is_found_out(most: int, count: int) -> None:
    """P11: after a page of just so many names as registries give at the most, the next is asked."""
    tags = MANY[: most + count]

    found, asked = list_by_hand(silent(tags, most))

    assert found == Listing(found.tags)
    assert found.tags.names == set(tags)
    assert len(asked) == -(-len(tags) // most) + 1
    assert asked[1].url.target == f"/v2/team/app/tags/list?n=1000&last={sorted(tags)[most - 1]}"
    assert all(step.spare for step in asked)


@pytest.mark.parametrize("most", [50, 100, 200, 250, 500, 1000])
def test_p11_a_page_that_comes_again_proves_nothing(most: int) -> None:
    """P11: a registry that always begins anew may have more names than it gives out."""
    found, asked = list_by_hand(silent(MANY, most, begins_again=True))

    assert (found.truncated, found.tags.count, len(asked)) == ("pages", most, 2)
    assert_p11(answered(found))


@pytest.mark.parametrize(
    ("reply", "truncated"),
    [
        (Reply(400), "pages"),
        (Reply(405), "pages"),
        (unknown("NAME_UNKNOWN"), "pages"),
        (Reply(503), "failed"),
        (Reply(429), "failed"),
        (page([]), ""),
        (page(["x98"]), ""),
        (page(["1.0"]), "pages"),
        (page(["1.0"] + [f"x{n}" for n in range(98)]), "pages"),
    ],
)
def test_p11_a_registry_may_not_know_how_to_go_on(reply: Reply, truncated: Truncated) -> None:
    """P11: a refusal of the names after the last one cuts the list short, as do names of before."""
    found, _ = list_by_hand(in_turn(page(["1.0"] + [f"x{n}" for n in range(99)]), reply))

    assert found.truncated == truncated
    assert (found.failure is not None) is (truncated == "failed")
    if truncated:
        assert_p11(answered(found))


@pytest.mark.parametrize("count", [49, 51, 99, 101, 930, 999])
def test_another_number_of_names_is_all_of_them(count: int) -> None:
    """A page of a number that no registry caps at costs no second request."""
    found, asked = list_by_hand(paged(TagPaging.PLAIN, MANY[:count]))

    assert (found, len(asked)) == (Listing(found.tags), 1)


def test_a_last_page_of_fifty_names_after_links_is_the_last() -> None:
    """A registry that links its pages tells their end, whatever number the last one has."""
    found, asked = list_by_hand(paged(TagPaging.QUAY, MANY[:100]))

    assert (found, len(asked)) == (Listing(found.tags), 2)


def test_the_names_after_the_last_one_may_be_linked_again() -> None:
    """A registry that begins to link its pages is followed."""
    first = page([f"1.{number}" for number in range(50)])

    found, _ = list_by_hand(in_turn(first, page(["2.0"], NEXT), page(["2.1"])))

    assert found == Listing(found.tags)
    assert found.tags.names >= {"1.49", "2.0", "2.1"}


FAILURES: dict[str, tuple[Got, type]] = {
    "no such repository": (unknown("NAME_UNKNOWN"), Missing),
    "denied": (unknown("DENIED", 403), Denied),
    "a limit": (Reply(429, {"retry-after": ("60",)}), Limited),
    "our own limit": (Limited(reason="half of the limit is kept"), Limited),
    "no response": (NoResponse("read_timeout", "too slow"), Unreachable),
    "an error": (Reply(503), Unreachable),
    "no lists": (Reply(405), Unsupported),
    "no JSON": (Reply(200, body=b"<html>"), Invalid),
    "another JSON": (Reply(200, body=b'{"tags": "1.0"}'), Invalid),
    "no tags": (Reply(200, body=b"{}"), Invalid),
    "too deep": (Reply(200, body=b'{"x":' + b"[" * 100_000), Invalid),
    "compressed": (Reply(200, {"content-encoding": ("gzip",)}, b"\x1f\x8b"), Invalid),
    "an early end": (Reply(200, body=b'{"tags":["1.0"', cut=True), Invalid),
    "another host": (page(["9.9.8"], '<https://registry.example.net/x>; rel="next"'), Invalid),
}


@pytest.mark.parametrize("case", FAILURES)
def test_p11_a_list_that_fails_says_why_and_keeps_what_it_has(case: str) -> None:
    """P11: whatever fails on the second page, the names of the first are kept, and not as all."""
    reply, kind = FAILURES[case]

    found, _ = list_by_hand(in_turn(page(["1.0.1", "9.9.9"], NEXT), reply))

    assert found.truncated == "failed"
    assert isinstance(found.failure, kind)
    assert found.tags.names >= {"1.0.1", "9.9.9"}
    assert_p11(answered(found))


@pytest.mark.parametrize("case", FAILURES)
def test_p11_a_list_that_fails_at_once_knows_nothing(case: str) -> None:
    """P11: a failure on the first page leaves every step unknown."""
    found, _ = list_by_hand(in_turn(FAILURES[case][0]))
    told = answered(found)

    assert told.failures == 1
    assert_p11(told)


@given(st.binary(max_size=200), st.text(max_size=60), st.integers(100, 599))
def test_p11_whatever_a_registry_answers_becomes_a_list(
    body: bytes, link: str, status: int
) -> None:
    """P11: no body and no link raises, and none says of a failure that nothing is newer."""
    reply = Reply(status, {"link": (link,)}, body)

    found, _ = list_by_hand(lambda _: reply)

    assert found.failure or found.tags.pages
    if found.truncated:
        assert_p11(answered(found))


def test_a_good_list_becomes_its_tracks() -> None:
    """The newest names come first, and what hosts run before the rest."""
    told = answered(list_by_hand(in_turn(page(["1.2", "1.3", "2.0-slim", "latest"])))[0])

    assert [track.names for track in told.tracks] == [("1.3", "1.2"), ("2.0-slim",)]
    assert (told.count, told.truncated, told.failures, told.listed_at) == (4, "", 0, NOW)
    assert all(track.whole for track in told.tracks)


def test_a_failure_keeps_the_names_of_the_list_before() -> None:
    """A failed list has the time of the one before, and no tag is newest for certain."""
    before = answered(list_by_hand(in_turn(page(["1.2", "1.3"])))[0])
    failed, _ = list_by_hand(in_turn(page(["1.4"], NEXT), Reply(503)))

    told = answered(failed, before)
    again = answered(list_by_hand(in_turn(Reply(503)))[0], told)

    assert [track.names for track in told.tracks] == [("1.4", "1.3", "1.2")]
    assert again.tracks == told.tracks
    assert (told.failures, again.failures) == (1, 2)
    assert (again.listed_at, again.count, again.truncated) == (NOW, 2, "failed")
    assert not any(track.whole for track in again.tracks)
    assert_p11(again)


def test_a_list_that_took_too_long_keeps_the_names_of_the_list_before() -> None:
    """A newer version that was seen once is not lost because the registry is slow today."""
    before = answered(list_by_hand(in_turn(page(["1.2", "1.3"])))[0])
    slow, _ = list_by_hand(in_turn(page(["1.1"], NEXT)), page_s=99)

    told = answered(slow, before)

    assert [track.names for track in told.tracks] == [("1.3", "1.2", "1.1")]
    assert (told.truncated, told.failures, told.listed_at) == ("time", 0, NOW)


def test_a_repository_that_is_gone_has_no_tags() -> None:
    """The registry says that there is none: the names of before do not count, nor that none is."""
    before = answered(list_by_hand(in_turn(page(["1.2", "1.3"])))[0])

    told = answered(list_by_hand(in_turn(unknown("NAME_UNKNOWN")))[0], before)

    assert (told.tracks, told.count, told.listed_at) == ((), 0, None)
    assert isinstance(told.failure, Missing)
    assert_p11(told)


def test_a_list_that_is_whole_again_forgets_the_failures() -> None:
    """Names that are gone are gone, and what is newest is known again."""
    before = answered(list_by_hand(in_turn(Reply(503)))[0])

    told = answered(list_by_hand(in_turn(page(["1.2"])))[0], before)
    version = read("1.2")

    assert version is not None
    assert (told.failures, told.failure) == (0, None)
    assert newer_in(told, version).minor is None


def test_a_list_whose_first_page_came_tells_when_it_was_read() -> None:
    """Without a list before, half a list is better than none, and is marked."""
    told = answered(list_by_hand(in_turn(page(["1.2", "1.3"], NEXT), Reply(503)))[0])
    version = read("1.2")

    assert version is not None
    assert told.listed_at == NOW
    assert newer_in(told, version).minor == "1.3"
    assert newer_in(told, version).major is UNSET


def test_when_to_come_back_is_told() -> None:
    """A limit in the middle of a list says until when."""
    reply = Reply(429, {"retry-after": ("60",)})
    server: ListServer = in_turn(page(["1.2"], NEXT), reply)

    failure = list_by_hand(server)[0].failure

    assert isinstance(failure, Limited)
    assert failure.until == NOW + timedelta(seconds=60)
