"""Lists of tags that are too large or too slow end, and say so."""

from imagedrift_resolver.core.reply import Reply
from imagedrift_resolver.core.tag_list import MOST_LISTED_BYTES, MOST_NAMES
from imagedrift_sandbox.registry.tag_pages import TagPaging
from support.listings import MANY, NEXT, answered, assert_p11, in_turn, list_by_hand, page, paged


def test_a_page_that_is_too_large_ends_the_list_with_the_names_that_came() -> None:
    """100 MB are not read: the names of the first 4 MiB count, the one that was cut does not."""
    whole = b'{"tags":["1.0.0","1.0.1","1.'
    body = whole + b" " * (MOST_LISTED_BYTES - len(whole))

    found, asked = list_by_hand(in_turn(Reply(200, {"link": (NEXT,)}, body, cut=True)))

    assert (found.truncated, found.failure) == ("bytes", None)
    assert found.tags.names == {"1.0.0", "1.0.1"}
    assert asked[0].cap == MOST_LISTED_BYTES
    assert_p11(answered(found))


def test_a_large_page_of_something_else_tells_no_names() -> None:
    """A page that is cut before its tags is too large, and nothing else is said of it."""
    found, _ = list_by_hand(in_turn(Reply(200, body=b"x" * MOST_LISTED_BYTES, cut=True)))

    assert (found.truncated, found.failure, found.tags.count) == ("bytes", None, 0)


def test_a_page_of_too_many_names_ends_the_list() -> None:
    """Of a page at most 20,000 names count."""
    names = [f"1.{number}" for number in range(MOST_NAMES + 1)]

    found, _ = list_by_hand(in_turn(page(names)))

    assert (found.truncated, found.tags.count) == ("bytes", MOST_NAMES)


def test_a_page_of_a_million_names_is_read_in_part() -> None:
    """Of a million names of one letter the first 512 KiB are read, and the list is truncated."""
    body = b'{"tags":["1.0",' + b'"a",' * 1_000_000 + b'"2.0"]}'

    found, _ = list_by_hand(in_turn(Reply(200, body=body)))

    assert (found.truncated, found.failure) == ("bytes", None)
    assert found.tags.names == {"1.0", "a"}
    assert_p11(answered(found))


def test_all_pages_together_have_a_bound() -> None:
    """The second page may only have what the first one left."""
    first = page(["1.0"] + ["x" * 128] * 10_000, NEXT)

    found, asked = list_by_hand(in_turn(first, page(["1.1"])))

    assert asked[1].cap == MOST_LISTED_BYTES - len(first.body)
    assert found.tags.names >= {"1.0", "1.1"}


def test_a_slow_list_ends_after_a_minute() -> None:
    """A page of twenty seconds is the third and last."""
    found, asked = list_by_hand(paged(TagPaging.QUAY, MANY), page_s=20)

    assert (found.truncated, len(asked)) == ("time", 3)
    assert_p11(answered(found))
