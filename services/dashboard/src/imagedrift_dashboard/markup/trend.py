"""The fleet's numbers: the newest as tiles, thirty days of them as a drawing with its text."""

from collections.abc import Sequence
from datetime import datetime
from typing import Final

import htpy as h
from htpy import Node
from msgspec import Struct

from imagedrift_dashboard.core import chart
from imagedrift_dashboard.core.chart import Point
from imagedrift_dashboard.core.location import url_of
from imagedrift_dashboard.markup import cells

LINES: Final = ("outdated", "unknown", "stale")
MEANINGS: Final = (
    ("outdated", "replaced by their registry"),
    ("current", "up to date"),
    ("pinned", "run by digest"),
    ("local", "built on the host"),
    ("missing", "their tag is gone"),
    ("unknown", "never answered"),
)


class TrendRow(Struct, frozen=True):
    """The fleet at one time."""

    taken_at: datetime
    hosts: int
    silent_hosts: int
    images: int
    current: int
    outdated: int
    pinned: int
    local: int
    missing: int
    unknown: int
    stale: int


def show(rows: Sequence[TrendRow], now: datetime) -> Node:
    """Show the newest numbers and the trend."""
    newest = rows[-1]
    return [
        h.ul(".tiles")[
            _tile("hosts", newest.hosts, "of the fleet", "/hosts"),
            _tile("silent hosts", newest.silent_hosts, "for three intervals",
                  url_of("/hosts", state="silent")),
            (_tile(name, getattr(newest, name), meaning) for name, meaning in MEANINGS),
            _tile("stale", newest.stale, "verdicts from before the last check failed"),
        ],
        h.p(".asof")["Counted ", cells.age(newest.taken_at, now), ", as images on hosts."],
        _drawing(rows),
    ]  # fmt: skip


def _tile(name: str, number: int, meaning: str, url: str = "") -> Node:
    shown = h.strong(data_value=str(number))[f"{number:,}"]
    kind = name.replace(" ", "-")
    return h.li(f".tile.{kind}")[
        h.span(".name")[h.a(href=url)[name] if url else name], shown, h.small[meaning]
    ]


def _drawing(rows: Sequence[TrendRow]) -> Node:
    """Draw the lines; who does not see them reads the first and last numbers."""
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
