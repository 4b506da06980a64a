"""Fleet: its numbers, their trend, tags that moved today, hosts and registries in trouble."""

from collections.abc import Sequence
from datetime import datetime, timedelta

import htpy as h
from htpy import Node
from msgspec import Struct

from imagedrift_dashboard.core.location import Location, url_of
from imagedrift_dashboard.core.query import fixed
from imagedrift_dashboard.markup import cells, fleet_tiles, trend
from imagedrift_dashboard.markup.fleet_tiles import FleetNumbers
from imagedrift_dashboard.markup.table import Column, table
from imagedrift_dashboard.markup.trend import TrendRow
from imagedrift_dashboard.pages import links
from imagedrift_dashboard.pages.page import Page, PageKind, Section
from imagedrift_dashboard.queries import statements


class MovedTag(Struct, frozen=True):
    """A tag that moved today."""

    valid_from: datetime
    reference: str
    digest: str
    outdated_hosts: int
    running_hosts: int
    hosts: int


class TroubledHost(Struct, frozen=True):
    """A host that is silent or degraded."""

    site: str
    host: str
    hostname: str
    state: str
    silent_for: timedelta
    degraded: str | None
    counted_at: datetime


class TroubledRegistry(Struct, frozen=True):
    """A registry that is not asked now."""

    registry: str
    credential: str
    rate_limit: int | None
    rate_remaining: int | None
    rate_reset_at: datetime | None
    blocked_until: datetime | None
    last_error: str | None


def fleet(_location: Location) -> Page:
    """Make the page of the whole fleet."""
    return Page(
        title="Fleet",
        sections=(
            Section(
                name="fleet",
                title="The fleet",
                query=fixed(statements()["fleet"], FleetNumbers),
                show=fleet_tiles.show,
                empty="Nothing is counted yet. Ingest does so within a minute of its start: does it"
                " run, and do agents report?",
            ),
            Section(
                name="trend",
                title="Thirty days",
                query=fixed(statements()["trend"], TrendRow),
                show=trend.show,
                empty="Ingest notes the numbers every five minutes; it has not done so yet.",
            ),
            Section(
                name="moved",
                title="Tags that moved today",
                query=fixed(statements()["moved"], MovedTag),
                show=_moved,
                empty="No tag has moved in the last 24 hours.",
            ),
            Section(
                name="troubled-hosts",
                title="Silent and degraded hosts",
                query=fixed(statements()["troubled_hosts"], TroubledHost),
                show=_troubled_hosts,
                empty="Every host reported when they were last counted.",
            ),
            Section(
                name="troubled-registries",
                title="Registries that are not asked now",
                query=fixed(statements()["troubled_registries"], TroubledRegistry),
                show=_troubled_registries,
                empty="Every registry can be asked.",
            ),
        ),
    )


def _moved(rows: Sequence[MovedTag], now: datetime) -> Node:
    columns: list[Column[MovedTag]] = [
        Column("When", lambda r: cells.age(r.valid_from, now)),
        Column("Image", lambda r: links.image(r.reference)),
        Column("To", lambda r: cells.digest(r.digest)),
        Column("Outdated hosts", lambda r: cells.number(r.outdated_hosts), True),
        Column("Running it", lambda r: cells.number(r.running_hosts), True),
        Column("Hosts", lambda r: cells.number(r.hosts), True),
    ]
    return table("Tags that moved today", columns, rows, lambda r: f"{r.reference} {r.digest}")


def _troubled_hosts(rows: Sequence[TroubledHost], now: datetime) -> Node:
    columns: list[Column[TroubledHost]] = [
        Column("Host", lambda r: links.host(r.site, r.host, r.hostname)),
        Column("State", lambda r: cells.badge(r.state)),
        Column("Silent for", lambda r: cells.span(r.silent_for if r.state == "silent" else None)),
        Column("Degraded, because", lambda r: cells.text(r.degraded)),
    ]
    all_silent = h.a(href=url_of("/hosts", state="silent"))["All silent hosts"]
    all_degraded = h.a(href=url_of("/hosts", state="degraded"))["all degraded hosts"]
    return [
        table("Silent and degraded hosts", columns, rows, lambda r: f"{r.site}/{r.host}"),
        h.p(".asof")[
            "Looked for ",
            cells.age(rows[0].counted_at, now),
            ". ",
            all_silent,
            ", ",
            all_degraded,
            ".",
        ],
    ]


def _troubled_registries(rows: Sequence[TroubledRegistry], now: datetime) -> Node:
    columns: list[Column[TroubledRegistry]] = [
        Column("Registry", lambda r: cells.text(r.registry)),
        Column("Credential", lambda r: cells.text(r.credential)),
        Column("Asked again", lambda r: cells.age(r.blocked_until, now)),
        Column("Left", lambda r: cells.number(r.rate_remaining), True),
        Column("Of", lambda r: cells.number(r.rate_limit), True),
        Column("Last error", lambda r: cells.text(r.last_error)),
    ]
    return table("Registries", columns, rows, lambda r: f"{r.registry} {r.credential}")


KIND = PageKind("/", fleet)
