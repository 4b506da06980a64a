"""Versions: which references have newer versions in their repository, the most run ones first."""

from collections.abc import Sequence
from datetime import datetime
from typing import Final

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

FILTERS: Final = ("registry", "behind", TEXT)
STATES: Final = {
    "same_image": "the same image",
    "none": "none",
    "unknown": "not known",
}
"""The text in place of a newer version, by the state of its step."""


class VersionRow(Struct, frozen=True):
    """A reference whose tag tells a version, with the newer ones."""

    reference: str
    version: str
    newest_patch: str | None
    newest_minor: str | None
    newest_major: str | None
    patch_state: str
    minor_state: str
    major_state: str
    behind: int | None
    running_hosts: int
    hosts: int
    truncated: str | None
    listed_at: datetime | None
    error: str | None


def versions(location: Location) -> Page:
    """Make the page of the versions. Raises `PageFault`."""
    listing = PagedList(
        statement=statements()["versions"],
        row=VersionRow,
        keys=(
            by("running_hosts", "bigint", descending=True),
            by("hosts", "bigint", descending=True),
            by("reference"),
        ),
        filters=FILTERS,
        texts=("reference",),
    )
    section = Section(
        name="versions",
        title="Versions",
        query=listing.at(location),
        show=_show,
        empty="No host has an image whose tag is a version, or none is like that.",
    )
    return Page(title="Versions", filters=FILTERS, sections=(section,))


def _show(rows: Sequence[VersionRow], now: datetime) -> Node:
    columns: list[Column[VersionRow]] = [
        Column("Image", lambda r: links.image(r.reference)),
        Column("Newest patch", lambda r: newest(r.newest_patch, r.patch_state)),
        Column("Newest minor", lambda r: newest(r.newest_minor, r.minor_state)),
        Column("Newest major", lambda r: newest(r.newest_major, r.major_state)),
        Column("Versions behind", lambda r: cells.number(r.behind), True),
        Column("Hosts that run it", lambda r: cells.number(r.running_hosts), True),
        Column("Hosts", lambda r: cells.number(r.hosts), True),
        Column("Listed", lambda r: cells.age(r.listed_at, now)),
        Column("List ended early by", lambda r: cells.text(r.truncated)),
        Column("Error", lambda r: cells.text(r.error)),
    ]
    return table("Versions", columns, rows, lambda r: r.reference)


def newest(tag: str | None, state: str) -> Node:
    """Show the newest tag of a step, or why there is none: none is not the same as not known."""
    return cells.text(tag) if tag else cells.soft(STATES.get(state, state))


KIND = PageKind("/versions", versions, FILTERS)
