"""Hosts: all of them, filtered and paged by their names."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Final

from htpy import Node
from msgspec import Struct

from imagedrift_dashboard.core.filters import TEXT
from imagedrift_dashboard.core.keyset import by
from imagedrift_dashboard.core.location import Location
from imagedrift_dashboard.core.query import PagedList
from imagedrift_dashboard.markup import cells
from imagedrift_dashboard.markup.table import Column, table
from imagedrift_dashboard.pages import links
from imagedrift_dashboard.pages.page import Page, PageKind, Section
from imagedrift_dashboard.queries import statements

FILTERS: Final = ("site", "place", "label", "state", TEXT)


class ListedHost(Struct, frozen=True):
    """A host in the list."""

    site: str
    host: str
    hostname: str
    state: str
    images: int
    outdated: int
    unknown: int
    last_seen_at: datetime | None
    place: str
    labels: dict[str, Any]
    degraded: str | None


def hosts(location: Location) -> Page:
    """Make the page of the list of hosts. Raises `PageFault`."""
    listing = PagedList(
        statement=statements()["hosts"],
        row=ListedHost,
        keys=(by("site"), by("host")),
        filters=FILTERS,
        texts=("hostname", "host"),
    )
    return Page(
        title="Hosts",
        filters=FILTERS,
        sections=(
            Section(
                name="hosts",
                title="Hosts",
                query=listing.at(location),
                show=_show,
                empty="No host is like that. Clear the filters, or install an agent on a host.",
            ),
        ),
    )


def _show(rows: Sequence[ListedHost], now: datetime) -> Node:
    columns: list[Column[ListedHost]] = [
        Column("Host", lambda r: links.host(r.site, r.host, r.hostname)),
        Column("State", lambda r: cells.badge(r.state)),
        Column("Outdated", lambda r: cells.number(r.outdated), True),
        Column("Unknown", lambda r: cells.number(r.unknown), True),
        Column("Images", lambda r: cells.number(r.images), True),
        Column("Seen", lambda r: cells.age(r.last_seen_at, now)),
        Column("Place", lambda r: links.place(r.place)),
        Column("Labels", lambda r: cells.labels(r.labels)),
        Column("Degraded, because", lambda r: cells.text(r.degraded)),
    ]
    return table("Hosts", columns, rows, lambda r: f"{r.site}/{r.host}")


KIND = PageKind("/hosts", hosts, FILTERS)
