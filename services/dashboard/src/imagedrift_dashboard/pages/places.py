"""Places: the hierarchy, one level at a time, each place with the counts of all hosts inside it."""

from collections.abc import Sequence
from datetime import datetime
from typing import Final

import htpy as h
from htpy import Node
from msgspec import Struct

from imagedrift_dashboard.core.filters import TEXT
from imagedrift_dashboard.core.keyset import by
from imagedrift_dashboard.core.location import Location, url_of
from imagedrift_dashboard.core.query import PagedList
from imagedrift_dashboard.markup import cells
from imagedrift_dashboard.markup.table import Column, table
from imagedrift_dashboard.pages import links
from imagedrift_dashboard.pages.page import Page, PageKind, Section
from imagedrift_dashboard.queries import statements

PARAMETERS: Final = ("inside", TEXT)


class PlaceCounts(Struct, frozen=True):
    """A place and its counts."""

    place: str
    level: int
    hosts: int
    outdated: int
    silent: int
    outdated_images: int
    counted_at: datetime


def places(location: Location) -> Page:
    """Make the page of the places inside one, or of the outermost. Raises `PageFault`."""
    inside = location.get("inside").rstrip("/")
    listing = PagedList(
        statement=statements()["places"],
        row=PlaceCounts,
        keys=(by("place"),),
        filters=(TEXT,),
        texts=("place",),
    )
    conditions = ["level = :level::integer"]
    if inside:
        conditions.append("starts_with(place, :inside::text || '/')")
    level = inside.count("/") + 2 if inside else 1
    return Page(
        title=f"Places in {inside}" if inside else "Places",
        filters=(TEXT,),
        sections=(
            Section(
                name="places",
                title="Places",
                query=listing.at(location, *conditions, level=level, inside=inside),
                show=lambda rows, now: _show(rows, now, inside),
                empty="No place is like that. A host's place is a setting of its agent"
                " (IMAGEDRIFT_PLACE); the list of hosts has those without one, too.",
            ),
        ),
    )


def _show(rows: Sequence[PlaceCounts], now: datetime, inside: str) -> Node:
    columns: list[Column[PlaceCounts]] = [
        Column("Place", lambda r: _link_inside(r)),
        Column("Hosts", lambda r: cells.number(r.hosts), True),
        Column("Outdated hosts", lambda r: cells.number(r.outdated), True),
        Column("Silent hosts", lambda r: cells.number(r.silent), True),
        Column("Outdated images", lambda r: cells.number(r.outdated_images), True),
        Column("All hosts in it", lambda r: links.place(r.place)),
    ]
    return [
        _places_around(inside),
        table("Places", columns, rows, lambda r: r.place),
        h.p(".asof")["Counted ", cells.age(rows[0].counted_at, now), "."],
    ]


def _link_inside(row: PlaceCounts) -> Node:
    return cells.link(url_of("/places", inside=row.place), cells.text(row.place.rpartition("/")[2]))


def _places_around(inside: str) -> Node:
    """Link to each place around this one, the outermost first."""
    if not inside:
        return None
    parts = inside.split("/")
    outer = ["/".join(parts[: n + 1]) for n in range(len(parts))]
    steps = [
        [" / ", cells.link(url_of("/places", inside=each), cells.text(name))]
        for each, name in zip(outer, parts, strict=True)
    ]
    return h.nav(aria_label="Places around it")[h.p[h.a(href="/places")["all places"], steps]]


KIND = PageKind("/places", places, PARAMETERS)
