"""The fleet's numbers and their drawing."""

from datetime import UTC, datetime, timedelta

from imagedrift_dashboard.markup import layout, trend
from imagedrift_dashboard.markup.trend import TrendRow
from support.pages import ReadPage

NOW = datetime(2026, 11, 26, 12, tzinfo=UTC)


def row(days: int, outdated: int) -> TrendRow:
    """Make the numbers of so many days ago."""
    return TrendRow(NOW - timedelta(days=days), 4, 1, 10, 4, outdated, 0, 1, 0, 1, 0)


def test_the_tiles_have_the_newest_numbers() -> None:
    """The last row makes the tiles; the drawing says its first and last numbers."""
    page = ReadPage(str(layout.document("x", trend.show([row(3, 1_500), row(0, 2_000)], NOW))))

    assert "2,000" in page.texts
    drawing = next(a for tag, a in page.elements if tag == "svg")
    assert drawing["aria-label"].startswith("3 days: outdated from 1,500 to 2,000;")
    assert len([tag for tag, _ in page.elements if tag == "polyline"]) == len(trend.LINES)


def test_one_row_is_shown() -> None:
    """A fleet that was counted once has its numbers and a drawing."""
    page = ReadPage(str(layout.document("x", trend.show([row(0, 0)], NOW))))

    assert "silent hosts" in page.texts
