"""How a value of the database is written."""

from datetime import UTC, datetime, timedelta

import pytest

from imagedrift_runtime import value_text

NOW = datetime(2026, 11, 26, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    ("value", "exact", "whole"),
    [
        (None, "", "-"),
        ("a\nb", "a b", "a b"),
        (7, "7", "7"),
        (True, "True", "yes"),
        (["a", "b"], '["a","b"]', "a,b"),
        ([], "[]", "-"),
        ({"env": "prod", "team": "web"}, '{"env":"prod","team":"web"}', "env=prod,team=web"),
        ({}, "{}", "-"),
        (NOW, "2026-11-26T12:00:00+00:00", "2026-11-26T12:00:00Z"),
        (timedelta(seconds=90, microseconds=5), "PT90.000005S", "PT90S"),
    ],
)
def test_a_value_is_written_whole(value: object, exact: str, whole: str) -> None:
    """For programs a value is exact; for a column of text nothing is a dash."""
    assert value_text.exact(value) == exact
    assert value_text.whole(value) == whole


@pytest.mark.parametrize("text", ["=1+1", "+1", "-1", "@x", " =1", "\uff1d1"])
def test_a_text_is_no_formula(text: str) -> None:
    """A text that a spreadsheet would run is written with an apostrophe before it."""
    assert value_text.no_formula(text) == f"'{value_text.exact(text)}"


@pytest.mark.parametrize(
    ("value", "written"),
    [
        ("a;=1+1", "a;'=1+1"),
        ("a; @x;-1", "a; '@x;'-1"),
        ({"env": ";=1"}, """{"env":";'=1"}"""),
        ("a;b=1", "a;b=1"),
    ],
)
def test_a_text_after_a_semicolon_is_no_formula(value: object, written: str) -> None:
    """A spreadsheet that parts cells by semicolons runs nothing of a text, a list or labels."""
    assert value_text.no_formula(value) == written


def test_numbers_and_plain_texts_stay_as_they_are() -> None:
    """A negative number is a number."""
    assert value_text.no_formula(-1) == "-1"
    assert value_text.no_formula("web-1") == "web-1"


def test_a_moment_is_told_by_its_age() -> None:
    """A moment was so long ago, is now, or comes in such a time."""
    assert value_text.age(NOW - timedelta(days=3, hours=4, minutes=9), NOW) == "3 d 4 h ago"
    assert value_text.age(NOW, NOW) == "now"
    assert value_text.age(NOW + timedelta(seconds=5), NOW) == "in 5 s"
