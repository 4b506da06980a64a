"""The fleet's numbers as tiles, with the age of the count."""

from collections.abc import Sequence
from datetime import datetime
from typing import Final

import htpy as h
from htpy import Node
from msgspec import Struct

from imagedrift_dashboard.core.location import url_of
from imagedrift_dashboard.markup import cells


class FleetNumbers(Struct, frozen=True, kw_only=True):
    """The fleet, as it was last counted."""

    counted_at: datetime
    hosts: int
    silent_hosts: int
    degraded_hosts: int
    due: int | None
    overdue: int | None
    images: int
    outdated: int
    current: int
    pinned: int
    local: int
    missing: int
    unknown: int
    stale: int


TILES: Final = (
    ("hosts", "of the fleet", "/hosts"),
    ("silent_hosts", "for three intervals", url_of("/hosts", state="silent")),
    ("degraded_hosts", "may be out of date", url_of("/hosts", state="degraded")),
    ("due", "to be updated", "/due"),
    ("overdue", "of these", url_of("/due", overdue="yes")),
    ("outdated", "replaced by their registry", url_of("/images", outdated="yes")),
    ("current", "up to date", ""),
    ("pinned", "run by digest", ""),
    ("local", "built on the host", ""),
    ("missing", "their tag is gone", ""),
    ("unknown", "never answered", ""),
    ("stale", "verdicts from before the last check failed", ""),
)
"""Each number: its name, what it means, and the page that lists it."""


def show(rows: Sequence[FleetNumbers], now: datetime) -> Node:
    """Show the numbers."""
    [numbers] = rows
    return [
        h.ul(".tiles")[(_tile(name, getattr(numbers, name), *told) for name, *told in TILES)],
        h.p(".asof")["Counted ", cells.age(numbers.counted_at, now), ", as images on hosts."],
    ]


def _tile(name: str, number: int | None, meaning: str, url: str) -> Node:
    title = name.replace("_", " ")
    shown = h.strong(data_value=str(number or 0))[cells.number(number)]
    return h.li(f".tile.{name.replace('_', '-')}")[
        h.span(".name")[h.a(href=url)[title] if url else title], shown, h.small[meaning]
    ]
