"""A line over time as coordinates of a drawing."""

from collections.abc import Sequence
from datetime import datetime
from typing import Final

from msgspec import Struct

WIDTH: Final = 600
HEIGHT: Final = 120


class Point(Struct, frozen=True):
    """A number at a time."""

    at: datetime
    number: int


def line(points: Sequence[Point], top: int) -> str:
    """Write the points of a polyline, whose highest number is `top`."""
    if not points:
        return ""
    first, last = points[0].at, points[-1].at
    whole_s = (last - first).total_seconds() or 1.0
    return " ".join(
        f"{_across((each.at - first).total_seconds() / whole_s)},{_up(each.number, top)}"
        for each in points
    )


def _across(share: float) -> int:
    return round(share * WIDTH)


def _up(number: int, top: int) -> int:
    return HEIGHT - round(min(number / max(top, 1), 1.0) * HEIGHT)
