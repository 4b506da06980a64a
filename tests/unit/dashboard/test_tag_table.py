"""The history of a tag."""

from datetime import UTC, datetime, timedelta

from imagedrift_dashboard.markup import layout
from imagedrift_dashboard.markup.tag_table import TagPeriod, tag_table
from support.pages import ReadPage

NOW = datetime(2026, 11, 26, 12, tzinfo=UTC)


def test_a_period_lasts_to_its_end_or_to_now() -> None:
    """A period that holds ends "now", and lasts as long as it has until now."""
    day = timedelta(days=1)
    rows = [TagPeriod(NOW - day, None, "sha256:b"), TagPeriod(NOW - 4 * day, NOW - day, "sha256:a")]
    page = ReadPage(str(layout.document("x", tag_table(rows, NOW))))

    assert {"now", "1 d", "3 d"} <= {*page.texts}
