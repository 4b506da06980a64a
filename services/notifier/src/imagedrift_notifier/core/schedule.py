"""When a route's messages are sent: after a gathering window or by cron, and not in quiet hours.

digest = "0 8 * * MON"            # by cron, in the route's time zone; without it: now
gather = "30s"                    # how long `now` waits for more
quiet  = ["22:00-07:00"]          # what would be sent then is sent at the end of it
zone   = "Europe/Berlin"
"""

import re
from collections.abc import Iterable
from datetime import UTC, datetime, time, timedelta
from typing import Final
from zoneinfo import ZoneInfo

from cronsim import CronSim, CronSimError
from msgspec import Struct

MOST_GATHERED_S: Final = 3600
MOST_QUIET: Final = 8
_QUIET: Final = re.compile(r"([01][0-9]|2[0-3]):([0-5][0-9])-([01][0-9]|2[0-3]):([0-5][0-9])")
_SPAN: Final = re.compile(r"([0-9]{1,4})(s|m|h)")
_UNITS: Final = {"s": 1, "m": 60, "h": 3600}
_SOME_DAY: Final = datetime(2026, 1, 1, tzinfo=UTC)


class QuietSpan(Struct, frozen=True):
    """A part of each day in which nothing is sent; it may pass midnight."""

    start: time
    end: time

    def holds(self, moment: time) -> bool:
        """Tell whether a moment lies in it; its end does not."""
        if self.start < self.end:
            return self.start <= moment < self.end
        return moment >= self.start or moment < self.end

    def __str__(self) -> str:
        return f"{self.start:%H:%M}-{self.end:%H:%M}"


class RouteSchedule(Struct, frozen=True, kw_only=True):
    """When a route sends."""

    digest: str = ""
    """A cron expression; empty where messages are sent now."""
    gather: timedelta = timedelta(seconds=30)
    quiet: tuple[QuietSpan, ...] = ()
    zone: str = "UTC"


def is_quiet(schedule: RouteSchedule, now: datetime) -> bool:
    """Tell whether nothing is sent now."""
    moment = now.astimezone(ZoneInfo(schedule.zone)).time()
    return any(span.holds(moment) for span in schedule.quiet)


def send_time(schedule: RouteSchedule, now: datetime) -> datetime:
    """Tell when something that is noted now is sent."""
    zone = ZoneInfo(schedule.zone)
    if schedule.digest:
        moment = next(CronSim(schedule.digest, now.astimezone(zone)))
    else:
        moment = now + schedule.gather
    return _after_quiet(schedule.quiet, moment.astimezone(zone)).astimezone(UTC)


def gather_span(text: str) -> timedelta | None:
    """Read a span as `30s`, `5m` or `1h`; nothing where it is none, or longer than an hour."""
    read = _SPAN.fullmatch(text)
    seconds = int(read[1]) * _UNITS[read[2]] if read else MOST_GATHERED_S + 1
    return timedelta(seconds=seconds) if seconds <= MOST_GATHERED_S else None


def quiet_span(text: str) -> QuietSpan | None:
    """Read a span of the day as `22:00-07:00`; nothing where it is none."""
    read = _QUIET.fullmatch(text)
    if not read:
        return None
    span = QuietSpan(time(int(read[1]), int(read[2])), time(int(read[3]), int(read[4])))
    return span if span.start != span.end else None


def leaves_time(spans: Iterable[QuietSpan]) -> bool:
    """Tell whether some minute of the day is not quiet."""
    quiet = tuple(spans)
    minutes = (time(minute // 60, minute % 60) for minute in range(24 * 60))
    return any(not any(span.holds(minute) for span in quiet) for minute in minutes)


def cron_fault(expression: str) -> str:
    """Name the fault of a cron expression; empty when there is none."""
    try:
        if next(CronSim(expression, _SOME_DAY), None) is None:
            return "this moment never comes"
    except CronSimError as error:
        return str(error)
    return ""


def _after_quiet(spans: tuple[QuietSpan, ...], moment: datetime) -> datetime:
    """Move a moment to the end of the quiet hours that it lies in, and of those behind them."""
    for _ in range(len(spans) + 1):
        held = next((span for span in spans if span.holds(moment.time())), None)
        if held is None:
            break
        day = moment.date() + timedelta(days=held.end <= moment.time())
        moment = datetime.combine(day, held.end, moment.tzinfo).replace(fold=moment.fold)
    return moment
