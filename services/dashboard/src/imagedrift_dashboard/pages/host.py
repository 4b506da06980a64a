"""Host: whether it reports, all its images, and what changed on it."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any, Final

from htpy import Node
from msgspec import Struct

from imagedrift_dashboard.core.filters import TEXT
from imagedrift_dashboard.core.keyset import SortKey, by
from imagedrift_dashboard.core.location import Location
from imagedrift_dashboard.core.query import PagedList, fixed
from imagedrift_dashboard.markup import cells
from imagedrift_dashboard.markup.table import Column, record, table
from imagedrift_dashboard.pages import links
from imagedrift_dashboard.pages.page import Page, PageKind, Section
from imagedrift_dashboard.queries import statements

FILTERS: Final = ("verdict", "running", "registry", TEXT)
OF_HOST: Final = ("site = :site_of::text", "host = :host_of::text")


class HostFacts(Struct, frozen=True):
    """One host."""

    site: str
    host: str
    hostname: str
    state: str
    images: int
    outdated: int
    unknown: int
    last_seen_at: datetime | None
    silent_for: timedelta | None
    degraded: str | None
    place: str
    labels: dict[str, Any]
    os: str
    arch: str
    engine: str
    engine_version: str
    agent_version: str
    changed_at: datetime | None
    first_seen_at: datetime | None
    skipped: dict[str, Any]


class ImageOnHost(Struct, frozen=True):
    """An image of the host."""

    reference: str
    image_id: str
    verdict: str
    reason: str
    verdict_since: datetime | None
    stale: bool
    running: int
    containers: list[str]
    platform: str
    local_digests: list[str]
    remote_digest: str | None
    local_version: str | None
    remote_version: str | None
    checked_at: datetime | None
    error: str | None
    site: str
    host: str


class HostChange(Struct, frozen=True):
    """An image that came, went, or was replaced."""

    occurred_at: datetime
    reference: str | None
    change: str
    old_digests: list[str] | None
    new_digests: list[str] | None


def host(location: Location) -> Page:
    """Make the page of one host. Raises `PageFault`."""
    site, name = location.names["site"], location.names["host"]
    images = PagedList(
        statement=statements()["host_images"],
        row=ImageOnHost,
        keys=(
            SortKey("(verdict <> 'outdated')", "boolean", lambda row: row.verdict != "outdated"),
            by("reference"),
            by("image_id"),
            by("platform"),
        ),
        filters=FILTERS,
        texts=("reference",),
    )
    return Page(
        title=f"Host {site}/{name}",
        filters=FILTERS,
        sections=(
            Section(
                name="host",
                title="The host",
                query=fixed(statements()["host"], HostFacts, site=site, host=name),
                show=_facts,
                empty=f"there is no host {site}/{name}",
                is_required=True,
            ),
            Section(
                name="images",
                title="Its images",
                query=images.at(location, *OF_HOST, site_of=site, host_of=name),
                show=_images,
                empty="No image is like that. Clear the filters.",
            ),
            Section(
                name="changes",
                title="What changed on it",
                query=fixed(statements()["host_history"], HostChange, site=site, host=name),
                show=_changes,
                empty="Nothing has changed since it first reported.",
            ),
        ),
    )


def _facts(rows: Sequence[HostFacts], now: datetime) -> Node:
    row = rows[0]
    pairs: list[tuple[str, Node]] = [
        ("Name", cells.whole(row.hostname)),
        ("State", cells.badge(row.state)),
        ("Degraded, because", cells.whole(row.degraded)),
        ("Last heartbeat or inventory", cells.moment(row.last_seen_at, now)),
        ("Images last changed", cells.moment(row.changed_at, now)),
        ("First seen", cells.moment(row.first_seen_at, now)),
        ("Images", cells.number(row.images)),
        ("Outdated", cells.number(row.outdated)),
        ("Unknown", cells.number(row.unknown)),
        ("Place", links.place(row.place)),
        ("Labels", cells.labels(row.labels)),
        ("System", cells.text(f"{row.os} {row.arch}")),
        ("Engine", cells.text(f"{row.engine} {row.engine_version}")),
        ("Agent", cells.text(row.agent_version)),
        ("Not reported in full", cells.labels(row.skipped)),
    ]
    return record(pairs)


def _images(rows: Sequence[ImageOnHost], now: datetime) -> Node:
    columns: list[Column[ImageOnHost]] = [
        Column("Image", lambda r: links.why(r.site, r.host, r.reference, cells.text(r.reference))),
        Column("Verdict", lambda r: [cells.badge(r.verdict), " stale" if r.stale else None]),
        Column("Reason", lambda r: r.reason),
        Column("Since", lambda r: cells.age(r.verdict_since, now)),
        Column("Running", lambda r: cells.number(r.running), True),
        Column("Containers", lambda r: cells.texts(r.containers)),
        Column("Version", lambda r: cells.text(r.local_version)),
        Column("In the registry", lambda r: cells.text(r.remote_version)),
        Column("Checked", lambda r: cells.age(r.checked_at, now)),
        Column("Error", lambda r: cells.text(r.error)),
    ]
    return table("Its images", columns, rows, lambda r: f"{r.reference} {r.image_id} {r.platform}")


def _changes(rows: Sequence[HostChange], now: datetime) -> Node:
    columns: list[Column[HostChange]] = [
        Column("When", lambda r: cells.age(r.occurred_at, now)),
        Column("Image", lambda r: cells.text(r.reference)),
        Column("Change", lambda r: r.change),
        Column("Before", lambda r: cells.digests(r.old_digests)),
        Column("After", lambda r: cells.digests(r.new_digests)),
    ]
    return table("What changed", columns, rows, lambda r: f"{r.occurred_at} {r.reference}")


KIND = PageKind("/hosts/{site}/{host}", host, FILTERS)
