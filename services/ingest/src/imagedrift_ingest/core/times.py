"""Moments that others name, held against a clock that we trust: when NATS stored the message.

| told                                            | `plausible` | `past`    | `until`              |
|-------------------------------------------------|-------------|-----------|----------------------|
| 1970 or before (Docker's zero is the year 1)    | none        | stored at | none                 |
| later than it can be, up to the year 9999       | none        | stored at | the farthest allowed |
| any other                                       | as told     | as told   | as told              |
"""

from datetime import UTC, datetime, timedelta
from typing import Final

LONG_AGO: Final = datetime(1970, 1, 1, tzinfo=UTC)
DAY: Final = timedelta(days=1)


def plausible(told: datetime | None, latest: datetime) -> datetime | None:
    """Return a moment that something was made at, if that can be."""
    return told if told is not None and LONG_AGO < told <= latest else None


def past(told: datetime, stored_at: datetime) -> datetime:
    """Return when something was done that a message tells of: not after it was stored."""
    return plausible(told, stored_at) or stored_at


def until(told: datetime | None, stored_at: datetime, at_most: timedelta = DAY) -> datetime | None:
    """Return a moment to come, at most so far ahead."""
    return None if told is None or told <= LONG_AGO else min(told, stored_at + at_most)
