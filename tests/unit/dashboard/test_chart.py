"""A line over time as coordinates."""

from datetime import UTC, datetime, timedelta

from imagedrift_dashboard.core.chart import HEIGHT, WIDTH, Point, line

AT = datetime(2026, 11, 26, tzinfo=UTC)


def test_a_line_goes_from_the_first_time_to_the_last() -> None:
    """Times are spread over the width, and numbers over the height, the top one at 0."""
    points = [Point(AT, 0), Point(AT + timedelta(days=1), 5), Point(AT + timedelta(days=2), 10)]

    assert line(points, 10) == f"0,{HEIGHT} {WIDTH // 2},{HEIGHT // 2} {WIDTH},0"


def test_one_number_and_a_fleet_of_zeros_are_drawn() -> None:
    """One point, or a top of 0, makes no division by zero; no point makes no line."""
    assert line([Point(AT, 0)], 0) == f"0,{HEIGHT}"
    assert line([], 0) == ""
