"""When messages are sent: gathered, by cron, and not in quiet hours, in a zone of their own."""

from datetime import UTC, datetime, timedelta

import pytest

from imagedrift_notifier.core.schedule import (
    QuietSpan,
    RouteSchedule,
    cron_fault,
    gather_span,
    leaves_time,
    quiet_span,
    send_time,
)

EVENING = datetime(2026, 11, 26, 22, 30, tzinfo=UTC)


def quiet(*spans: str) -> tuple[QuietSpan, ...]:
    """Spans of the day."""
    return tuple(span for each in spans if (span := quiet_span(each)))


def test_now_is_after_the_gathering_window() -> None:
    """Without a digest a message goes when its window ends."""
    schedule = RouteSchedule(gather=timedelta(minutes=2))

    assert send_time(schedule, EVENING) == EVENING + timedelta(minutes=2)


def test_a_digest_is_sent_at_its_next_time_in_its_zone() -> None:
    """Eight in Berlin is seven in UTC in winter."""
    schedule = RouteSchedule(digest="0 8 * * MON", zone="Europe/Berlin")

    assert send_time(schedule, EVENING) == datetime(2026, 11, 30, 7, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    ("spans", "wanted"),
    [
        (("22:00-07:00",), datetime(2026, 11, 27, 7, 0, tzinfo=UTC)),
        (("22:00-23:00", "23:00-06:00"), datetime(2026, 11, 27, 6, 0, tzinfo=UTC)),
        (("23:00-22:00",), EVENING),
        (("09:00-22:30",), EVENING),
    ],
)
def test_quiet_hours_end_before_a_message_is_sent(spans: tuple[str, ...], wanted: datetime) -> None:
    """Quiet hours may pass midnight, and may follow each other; their end is not quiet."""
    schedule = RouteSchedule(gather=timedelta(), quiet=quiet(*spans))

    assert send_time(schedule, EVENING) == wanted


def test_quiet_hours_are_those_of_the_zone() -> None:
    """Half past ten in UTC is half past seven in the morning in Tokyo."""
    schedule = RouteSchedule(gather=timedelta(), quiet=quiet("22:00-08:00"), zone="Asia/Tokyo")

    assert send_time(schedule, EVENING) == datetime(2026, 11, 26, 23, 0, tzinfo=UTC)


def test_a_digest_in_quiet_hours_is_sent_at_their_end() -> None:
    """A digest heeds quiet hours, too."""
    schedule = RouteSchedule(digest="0 3 * * *", quiet=quiet("22:00-07:00"))

    assert send_time(schedule, EVENING) == datetime(2026, 11, 27, 7, 0, tzinfo=UTC)


def test_a_change_of_summer_time_skips_no_digest() -> None:
    """On the day when half past two is not there, a digest of that time is still sent."""
    before = datetime(2026, 3, 28, 12, 0, tzinfo=UTC)
    schedule = RouteSchedule(digest="30 2 * * *", zone="Europe/Berlin")

    assert timedelta(hours=12) < send_time(schedule, before) - before < timedelta(hours=24)


def test_quiet_hours_hold_in_the_hour_that_comes_twice() -> None:
    """When summer time ends, quiet hours until three are those of the second time, too."""
    second = datetime(2026, 10, 25, 1, 10, tzinfo=UTC)  # ten past two for the second time
    schedule = RouteSchedule(zone="Europe/Berlin", quiet=quiet("02:00-02:45"))

    assert send_time(schedule, second) == datetime(2026, 10, 25, 1, 45, tzinfo=UTC)


@pytest.mark.parametrize("text", ["", "30", "2h", "61m", "-5s", "3601s", "1d", "30 s"])
def test_a_span_that_is_none_is_refused(text: str) -> None:
    """A gathering window is a span up to an hour."""
    assert gather_span(text) is None


@pytest.mark.parametrize(("text", "seconds"), [("0s", 0), ("30s", 30), ("5m", 300), ("1h", 3600)])
def test_a_span_is_read(text: str, seconds: int) -> None:
    """Seconds, minutes and hours are read."""
    assert gather_span(text) == timedelta(seconds=seconds)


@pytest.mark.parametrize("text", ["", "22-07", "24:00-07:00", "22:00-22:00", "22:00 - 07:00"])
def test_quiet_hours_that_are_none_are_refused(text: str) -> None:
    """A span of the day has two different times."""
    assert quiet_span(text) is None


def test_quiet_hours_that_fill_the_day_are_told() -> None:
    """Spans that leave no minute are told apart from spans that do."""
    assert leaves_time(quiet("00:00-23:59"))
    assert not leaves_time(quiet("00:00-12:00", "11:00-00:00"))
    assert leaves_time(())


@pytest.mark.parametrize("expression", ["", "0 8 * *", "61 * * * *", "0 8 * * XYZ", "0 0 30 2 *"])
def test_a_cron_expression_that_never_comes_or_is_none_is_refused(expression: str) -> None:
    """A text that is no cron expression, or has no next time, is told."""
    assert cron_fault(expression) != ""
    assert cron_fault("0 8 * * MON-FRI") == ""
