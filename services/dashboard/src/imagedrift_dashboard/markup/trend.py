"""Thirty days of the fleet's numbers, as a drawing with its text."""

from collections.abc import Sequence
from datetime import datetime
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
    top = max(max(getattr(row, name) for name in LINES) for row in rows)
    told = "; ".join(
        f"{name} from {getattr(rows[0], name):,} to {getattr(rows[-1], name):,}" for name in LINES
    )
    days = (rows[-1].taken_at - rows[0].taken_at).days
    title = f"{days} days: {told}. The top is {top:,}."
    return h.figure[
        h.svg(
            role="img",
            aria_label=title,
            viewBox=f"-2 -2 {chart.WIDTH + 4} {chart.HEIGHT + 4}",
            preserveAspectRatio="none",
        )[(h.polyline(class_=f"line {name}", points=_points(rows, name, top)) for name in LINES)],
        h.figcaption[title],
    ]


def _points(rows: Sequence[TrendRow], name: str, top: int) -> str:
    return chart.line([Point(row.taken_at, getattr(row, name)) for row in rows], top)
