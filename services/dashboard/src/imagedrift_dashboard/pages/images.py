"""Images: every reference that a host has, those with most outdated hosts first."""

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

FILTERS: Final = ("registry", "outdated", TEXT)


class ListedImage(Struct, frozen=True):
    """A reference in the list."""

    reference: str
    outdated_hosts: int
    running_hosts: int
    hosts: int
    variants: int
    registry: str
    remote_digest: str | None
    remote_since: datetime | None
    remote_version: str | None
    checked_at: datetime | None
    next_check_at: datetime | None
    error: str | None


def images(location: Location) -> Page:
    """Make the page of the list of images. Raises `PageFault`."""
    listing = PagedList(
        statement=statements()["images"],
        row=ListedImage,
        keys=(
            by("outdated_hosts", "bigint", descending=True),
            by("running_hosts", "bigint", descending=True),
            by("reference"),
        ),
        filters=FILTERS,
        texts=("reference",),
    )
    return Page(
        title="Images",
        filters=FILTERS,
        sections=(
            Section(
                name="images",
                title="Images",
                query=listing.at(location),
                show=_show,
                empty="No image is like that. Clear the filters, or install an agent on a host.",
            ),
        ),
    )


def _show(rows: Sequence[ListedImage], now: datetime) -> Node:
    columns: list[Column[ListedImage]] = [
        Column("Image", lambda r: links.image(r.reference)),
        Column("Outdated hosts", lambda r: cells.number(r.outdated_hosts), True),
        Column("Hosts that run it", lambda r: cells.number(r.running_hosts), True),
        Column("Hosts", lambda r: cells.number(r.hosts), True),
        Column("Variants", lambda r: cells.number(r.variants), True),
        Column("In the registry", lambda r: cells.text(r.remote_version)),
        Column("Digest", lambda r: cells.digest(r.remote_digest)),
        Column("Since", lambda r: cells.age(r.remote_since, now)),
        Column("Checked", lambda r: cells.age(r.checked_at, now)),
        Column("Error", lambda r: cells.text(r.error)),
    ]
    return table("Images", columns, rows, lambda r: r.reference)


KIND = PageKind("/images", images, FILTERS)
