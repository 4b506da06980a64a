"""Image: where a tag points to, what it pointed to, who has it, and what was decided about it."""

from collections.abc import Sequence
from datetime import datetime
from typing import Final

from htpy import Node
from msgspec import Struct

from imagedrift_dashboard.core.filters import TEXT
from imagedrift_dashboard.core.keyset import by
from imagedrift_dashboard.core.location import Location
from imagedrift_dashboard.core.page_fault import PageFault
from imagedrift_dashboard.core.query import PagedList, fixed
from imagedrift_dashboard.markup import cells
from imagedrift_dashboard.markup.decision_table import DecisionRow, decision_table
from imagedrift_dashboard.markup.table import Column, record, table
from imagedrift_dashboard.markup.tag_table import TagPeriod, tag_table
from imagedrift_dashboard.pages import links
from imagedrift_dashboard.pages.page import Page, PageKind, Section
from imagedrift_dashboard.queries import statements

FILTERS: Final = ("verdict", "running", "site", "place", "label", TEXT)
PARAMETERS: Final = ("reference", *FILTERS)


class ImageFactsRow(Struct, frozen=True):
    """One reference."""

    reference: str
    outdated_hosts: int
    running_hosts: int
    hosts: int
    variants: int
    registry: str
    remote_digest: str | None
    remote_since: datetime | None
    remote_version: str | None
    remote_built_at: datetime | None
    source: str | None
    checked_at: datetime | None
    next_check_at: datetime | None
    error: str | None


class HostOfImage(Struct, frozen=True):
    """A host that has the image."""

    site: str
    host: str
    hostname: str
    verdict: str
    reason: str
    verdict_since: datetime | None
    stale: bool
    running: int
    containers: list[str]
    platform: str
    local_digests: list[str]
    local_version: str | None
    image_id: str


def image(location: Location) -> Page:
    """Make the page of one image. Raises `PageFault`."""
    if not (reference := location.get("reference")):
        raise PageFault(400, "the image is missing", "Begin with the list of images.")
    return Page(
        title=reference,
        filters=FILTERS,
        has_decisions=True,
        reference=reference,
        sections=(
            _points_to(reference),
            _of_hosts(reference, location),
            _pointed_to(reference),
            _decisions(reference),
        ),
    )


def _points_to(reference: str) -> Section[ImageFactsRow]:
    """Make the section of what the registry says of an image now."""
    return Section(
        name="image",
        title="Where it points to",
        query=fixed(statements()["image"], ImageFactsRow, reference=reference),
        show=_facts,
        empty=f"no host has an image {reference}",
        is_required=True,
    )


def _pointed_to(reference: str) -> Section[TagPeriod]:
    """Make the section of what the registry said before."""
    return Section(
        name="tag",
        title="What the tag pointed to",
        query=fixed(statements()["tag_history"], TagPeriod, reference=reference),
        show=tag_table,
        empty="The registry has not told yet what it points to.",
    )


def _of_hosts(reference: str, location: Location) -> Section[HostOfImage]:
    """Make the section of an image's hosts."""
    hosts = PagedList(
        statement=statements()["image_hosts"],
        row=HostOfImage,
        keys=(by("site"), by("host"), by("image_id"), by("platform")),
        filters=FILTERS,
        texts=("hostname", "host"),
    )
    return Section(
        name="hosts",
        title="Hosts that have it",
        query=hosts.at(location, "reference = :reference::text", reference=reference),
        show=lambda rows, now: _hosts(rows, now, reference),
        empty="No host is like that. Clear the filters.",
    )


def _decisions(reference: str) -> Section[DecisionRow]:
    """Make the section of what was decided about an image."""
    return Section(
        name="decisions",
        title="Decisions about it",
        query=fixed(statements()["image_decisions"], DecisionRow, reference=reference),
        show=decision_table,
        empty="Nothing is decided about it. `imagedrift decide` does so.",
    )


def _facts(rows: Sequence[ImageFactsRow], now: datetime) -> Node:
    row = rows[0]
    return record(
        [
            ("Outdated hosts", cells.number(row.outdated_hosts)),
            ("Hosts that run it", cells.number(row.running_hosts)),
            ("Hosts", cells.number(row.hosts)),
            ("Distinct local images", cells.number(row.variants)),
            ("Digest in the registry", cells.whole_digests(_list(row.remote_digest))),
            ("Since", cells.moment(row.remote_since, now)),
            ("Version in the registry", cells.whole(row.remote_version)),
            ("Built", cells.moment(row.remote_built_at, now)),
            ("Sources", cells.whole(row.source)),
            ("Checked", cells.moment(row.checked_at, now)),
            ("Checked next", cells.moment(row.next_check_at, now)),
            ("Error", cells.whole(row.error)),
        ]
    )


def _list(value: str | None) -> list[str]:
    return [value] if value else []


def _hosts(rows: Sequence[HostOfImage], now: datetime, reference: str) -> Node:
    columns: list[Column[HostOfImage]] = [
        Column("Host", lambda r: links.host(r.site, r.host, r.hostname)),
        Column("Verdict", lambda r: links.why(r.site, r.host, reference, cells.badge(r.verdict))),
        Column("Reason", lambda r: r.reason),
        Column("Since", lambda r: cells.age(r.verdict_since, now)),
        Column("Running", lambda r: cells.number(r.running), True),
        Column("Containers", lambda r: cells.texts(r.containers)),
        Column("Version", lambda r: cells.text(r.local_version)),
        Column("Digests", lambda r: cells.digests(r.local_digests)),
        Column("Platform", lambda r: cells.text(r.platform)),
    ]
    return table("Hosts", columns, rows, lambda r: f"{r.site}/{r.host} {r.image_id} {r.platform}")


KIND = PageKind("/image", image, PARAMETERS)
