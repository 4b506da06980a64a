"""Due: images to update that no decision excuses, the longest first; and those that are excused.

An image has a row for being outdated, and one for each step with a newer version that is asked for.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Final

from htpy import Node
from msgspec import Struct

from imagedrift_dashboard.core.filters import TEXT
from imagedrift_dashboard.core.keyset import SortKey, by
from imagedrift_dashboard.core.location import Location
from imagedrift_dashboard.core.query import PagedList
from imagedrift_dashboard.markup import cells
from imagedrift_dashboard.markup.table import Column, table
from imagedrift_dashboard.pages import links
from imagedrift_dashboard.pages.page import Page, PageKind, Section
from imagedrift_dashboard.queries import statements

EXCUSED_FILTERS: Final = ("site", "host", "place", "label", "registry", "running", TEXT)
DUE_FILTERS: Final = (*EXCUSED_FILTERS, "overdue")
TEXTS: Final = ("reference",)
"""References are few: others are left out before hosts are read. One host has its own filter."""
KEYS: Final[tuple[SortKey, ...]] = (
    by("available_since", "timestamptz"),
    by("site"),
    by("host"),
    by("reference"),
    by("image_id"),
    SortKey("platform || ' ' || coalesce(step, '')", "text", lambda r: f"{r.platform} {r.step}"),
)


class DueImage(Struct, frozen=True):
    """An image that is due on a host."""

    available_since: datetime
    site: str
    host: str
    hostname: str
    reference: str
    image_id: str
    platform: str
    running: int
    due_at: datetime
    overdue_for: timedelta | None
    recreate_only: bool
    local_digests: list[str]
    remote_digest: str | None
    cause: str
    place: str
    newest: str | None
    step: str


class ExcusedImage(Struct, frozen=True):
    """An image that a decision excuses or makes wait."""

    available_since: datetime
    site: str
    host: str
    hostname: str
    reference: str
    image_id: str
    platform: str
    running: int
    due_at: datetime
    excused_by: str | None
    kind: str | None
    until: datetime | None
    decision_id: int | None
    place: str
    newest: str | None
    step: str


def due(location: Location) -> Page:
    """Make the page of due images. Raises `PageFault`."""
    listing = PagedList(
        statement=statements()["due"], row=DueImage, keys=KEYS, filters=DUE_FILTERS, texts=TEXTS
    )
    section = Section(
        name="due",
        title="Due images",
        query=listing.at(location),
        show=_due,
        empty="Nothing is due.",
    )
    return Page(title="Due", filters=DUE_FILTERS, sections=(section,))


def excused(location: Location) -> Page:
    """Make the page of images that are excused or wait. Raises `PageFault`."""
    listing = PagedList(
        statement=statements()["excused"],
        row=ExcusedImage,
        keys=KEYS,
        filters=EXCUSED_FILTERS,
        texts=TEXTS,
    )
    section = Section(
        name="excused",
        title="Excused or waiting images",
        query=listing.at(location),
        show=_excused,
        empty="No image is excused or waits.",
    )
    return Page(title="Excused", filters=EXCUSED_FILTERS, sections=(section,))


def _due(rows: Sequence[DueImage], now: datetime) -> Node:
    columns: list[Column[DueImage]] = [
        Column("Host", lambda r: links.host(r.site, r.host, r.hostname)),
        Column("Image", lambda r: links.why(r.site, r.host, r.reference, cells.text(r.reference))),
        Column("Running", lambda r: cells.number(r.running), True),
        Column("New image since", lambda r: cells.age(r.available_since, now)),
        Column("Newer version", lambda r: cells.text(r.newest)),
        Column("Due", lambda r: cells.age(r.due_at, now)),
        Column("Overdue for", lambda r: cells.span(r.overdue_for)),
        Column("Recreate only", lambda r: cells.yes(r.recreate_only)),
        Column("Has", lambda r: cells.digests(r.local_digests)),
        Column("Would get", lambda r: cells.digest(r.remote_digest)),
        Column("Place", lambda r: links.place(r.place)),
    ]
    return table("Due images", columns, rows, _key)


def _excused(rows: Sequence[ExcusedImage], now: datetime) -> Node:
    columns: list[Column[ExcusedImage]] = [
        Column("Host", lambda r: links.host(r.site, r.host, r.hostname)),
        Column("Image", lambda r: links.why(r.site, r.host, r.reference, cells.text(r.reference))),
        Column("Running", lambda r: cells.number(r.running), True),
        Column("New image since", lambda r: cells.age(r.available_since, now)),
        Column("Newer version", lambda r: cells.text(r.newest)),
        Column("Due", lambda r: cells.age(r.due_at, now)),
        Column("Excused by", lambda r: cells.text(r.excused_by)),
        Column("Until", lambda r: cells.age(r.until, now)),
        Column("Place", lambda r: links.place(r.place)),
    ]
    return table("Excused or waiting images", columns, rows, _key)


def _key(row: DueImage | ExcusedImage) -> str:
    return f"{row.site}/{row.host} {row.reference} {row.image_id} {row.platform} {row.step}"


KIND = PageKind("/due", due, DUE_FILTERS)
EXCUSED_KIND = PageKind("/excused", excused, EXCUSED_FILTERS)
