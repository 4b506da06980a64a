"""The drawing of the fleet's numbers."""

from datetime import UTC, datetime, timedelta

import pytest

from imagedrift_dashboard.markup import layout, trend
from imagedrift_dashboard.markup.trend import TrendRow
from support.pages import ReadPage

NOW = datetime(2026, 11, 26, 12, tzinfo=UTC)


def row(days: int, outdated: int) -> TrendRow:
    """Make the numbers of so many days ago."""
    return TrendRow(NOW - timedelta(days=days), outdated, 1, 0)


def test_the_drawing_says_its_first_and_last_numbers() -> None:
    """A reader who does not see the lines is told where they begin and end."""
    page = ReadPage(str(layout.document("x", trend.show([row(3, 1_500), row(0, 2_000)], NOW))))

    drawing = next(a for tag, a in page.elements if tag == "svg")
    assert drawing["aria-label"].startswith("3 days: outdated from 1,500 to 2,000;")
    assert len([tag for tag, _ in page.elements if tag == "polyline"]) == len(trend.LINES)


def test_one_row_is_told_and_not_drawn() -> None:
    """One point is no line: a fleet that was counted once has its numbers, and no empty drawing."""
    page = ReadPage(str(layout.document("x", trend.show([row(0, 982)], NOW))))

    assert "Now: outdated 982; unknown 1; stale 0. Lines are drawn from the second" in page.text
    assert "svg" not in [tag for tag, _ in page.elements]


@pytest.mark.parametrize(
    ("hours", "told"), [(2, "2 hours: "), (1, "1 hour: "), (24, "1 day: "), (720, "30 days: ")]
)
def test_the_time_between_first_and_last_is_told(hours: int, told: str) -> None:
    """A young fleet has hours, not 0 days."""
    rows = [TrendRow(NOW - timedelta(hours=each), 0, 0, 0) for each in (hours, 0)]

    assert told in ReadPage(str(layout.document("x", trend.show(rows, NOW)))).text
