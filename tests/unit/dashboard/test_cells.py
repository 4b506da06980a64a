"""One value on a page."""

from datetime import UTC, datetime, timedelta

import htpy as h
import pytest
from htpy import Node

from imagedrift_dashboard.markup import cells
from support.pages import ReadPage

NOW = datetime(2026, 11, 26, 12, tzinfo=UTC)
DIGEST = "sha256:" + "a1" * 32


def shown(node: Node) -> str:
    """Write a value as its reader sees it."""
    return ReadPage(str(h.p[node])).text


@pytest.mark.parametrize(
    ("node", "text"),
    [
        (cells.text("web-1"), "web-1"),
        (cells.text(None), "–"),
        (cells.text(""), "–"),
        (cells.number(1_234_567), "1,234,567"),
        (cells.number(0), "0"),
        (cells.number(None), "–"),
        (cells.yes(True), "yes"),
        (cells.yes(False), "no"),
        (cells.yes(None), "–"),
        (cells.span(timedelta(days=3, hours=4, minutes=5)), "3 d 4 h"),
        (cells.span(None), "–"),
        (cells.age(NOW - timedelta(minutes=2), NOW), "2 min ago"),
        (cells.age(None, NOW), "–"),
        (cells.moment(NOW - timedelta(hours=1), NOW), "2026-11-26 11:00 UTC (1 h ago)"),
        (cells.moment(None, NOW), "–"),
        (cells.digest(DIGEST), "sha256:a1a1a1a1a1a1…"),
        (cells.digest(None), "–"),
        (cells.whole_digests([DIGEST]), DIGEST),
        (cells.digests(None), "–"),
        (cells.labels({"env": "prod"}), "env=prod"),
        (cells.labels({}), "–"),
        (cells.badge("outdated"), "outdated"),
    ],
)
def test_a_value_is_shown_in_words(node: Node, text: str) -> None:
    """Each kind of value has one form, and nothing is a dash."""
    assert shown(node) == text


def test_of_many_values_the_first_are_shown_and_the_others_counted() -> None:
    """A list says how many more there are."""
    text = shown(cells.texts([f"c{n}" for n in range(cells.MOST_LISTED + 3)]))

    assert text.endswith("and 3 more")
    assert f"c{cells.MOST_LISTED}" not in text


def test_a_word_that_is_none_makes_no_class() -> None:
    """A state that is no plain word has the class of all others."""
    page = ReadPage(str(h.p[cells.badge("x y")]))

    assert page.elements[-1] == ("span", {"class": "badge other"})
