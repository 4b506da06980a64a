"""Time comes in through one door, so that decisions take it as a value."""

from datetime import UTC, datetime


def now() -> datetime:
    """Tell the time, in UTC."""
    return datetime.now(UTC)  # noqa: TID251 - the one place
