"""Thirty days of the fleet's numbers, as a drawing with its text."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Final

import htpy as h
from htpy import Node
from msgspec import Struct

from imagedrift_dashboard.core import chart
from imagedrift_dashboard.core.chart import Point

LINES: Final = ("outdated", "unknown", "stale")


class TrendRow(Struct, frozen=True):
    """The fleet at one time."""

    taken_at: datetime
    outdated: int
    unknown: int
    stale: int


def show(rows: Sequence[TrendRow], _now: datetime) -> Node:
    """Draw the lines; a screen reader gets the first and last numbers."""
    if len(rows) == 1:
        return h.p[_of_one(rows[0])]
    top = max(max(getattr(row, name) for name in LINES) for row in rows)
    told = "; ".join(
        f"{name} from {getattr(rows[0], name):,} to {getattr(rows[-1], name):,}" for name in LINES
    )
    title = f"{_span(rows[-1].taken_at - rows[0].taken_at)}: {told}. The top is {top:,}."
    return h.figure[
        h.svg(
            role="img",
            aria_label=title,
            viewBox=f"-2 -2 {chart.WIDTH + 4} {chart.HEIGHT + 4}",
            preserveAspectRatio="none",
        )[(h.polyline(class_=f"line {name}", points=_points(rows, name, top)) for name in LINES)],
        h.figcaption[title],
    ]


def _of_one(row: TrendRow) -> str:
    told = "; ".join(f"{name} {getattr(row, name):,}" for name in LINES)
    return f"Now: {told}. Lines are drawn from the second number on: there is one every two hours."


def _span(span: timedelta) -> str:
    number, unit = (span.days, "day") if span.days else (round(span.total_seconds() / 3600), "hour")
    return f"{number} {unit}{'' if number == 1 else 's'}"


def _points(rows: Sequence[TrendRow], name: str, top: int) -> str:
    return chart.line([Point(row.taken_at, getattr(row, name)) for row in rows], top)
