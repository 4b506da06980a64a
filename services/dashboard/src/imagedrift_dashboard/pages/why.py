"""Why: all that one verdict rests on."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Final

import htpy as h
from htpy import Node
from msgspec import Struct

from imagedrift_dashboard.core.location import Location
from imagedrift_dashboard.core.page_fault import PageFault
from imagedrift_dashboard.core.query import fixed
from imagedrift_dashboard.markup import cells
from imagedrift_dashboard.markup.budget_table import RegistryBudget, budget_table
from imagedrift_dashboard.markup.table import record
from imagedrift_dashboard.markup.tag_table import TagPeriod, tag_table
from imagedrift_dashboard.pages import links
from imagedrift_dashboard.pages.page import Page, PageKind, Section
from imagedrift_dashboard.queries import statements
from imagedrift_schemas.reference import CanonicalParts

PARAMETERS: Final = ("reference",)
ADVICE: Final = {
    "digest_match": "The host has the image to which the tag points.",
    "platform_match": "The tag moved, but the image for this platform is the same.",
    "digest_differs": "The tag points to another digest: pull the tag, and recreate the container.",
    "platform_differs": "The tag points to another image for this platform: pull, and recreate.",
    "by_digest": "The reference names a digest, which cannot move.",
    "no_repo_digest": "Built or loaded on the host: no registry is asked.",
    "not_found": "The registry says that there is no such tag: the next pull will fail.",
    "not_checked": "Not answered yet: wait for a freshness period. Does a resolver run?",
    "denied": "The registry wants a credential, or refuses ours: configure one.",
    "limited": "The registry's limit is used up: it is asked again later.",
    "unreachable": "No usable response: the error names the connection, TLS, or the registry.",
    "refused": "We do not ask: by policy, for a private address, or for a machine's own name.",
    "unsupported": "The response cannot be compared: the error says why.",
    "invalid": "The response contradicts itself: a proxy on the way may change responses.",
    "digest_lost": "The engine lost the image's digest: pull the tag, and recreate the container.",
}
"""The meaning of a reason and its remedy, as docs/operators.md has them in full."""


class ExplainedImage(Struct, frozen=True):
    """One local image, held against its registry."""

    site: str
    host: str
    hostname: str
    place: str
    labels: dict[str, Any]
    reference: str
    registry: str
    verdict: str
    reason: str
    verdict_since: datetime | None
    stale: bool
    error: str | None
    checked_at: datetime | None
    next_check_at: datetime | None
    local_digests: list[str]
    remote_digest: str | None
    image_id: str
    manifest_digest: str | None
    platform: str
    by_digest: bool
    tagged: bool
    running: int
    containers: list[str]
    on_host_since: datetime | None
    created_at: datetime | None
    local_version: str | None
    remote_version: str | None
    remote_built_at: datetime | None
    source: str | None
    version_inherited: bool | None
    size: int | None
    base_name: str | None
    base_outdated: bool | None
    base_checked_at: datetime | None
    base_error: str | None


def why(location: Location) -> Page:
    """Make the page of one verdict. Raises `PageFault`."""
    site, host = location.names["site"], location.names["host"]
    if not (reference := location.get("reference")):
        raise PageFault(400, "the image is missing", "Begin with the page of the host.")
    registry = CanonicalParts.of(reference).registry
    about = {"site": site, "host": host, "reference": reference}
    return Page(
        title=f"Why {reference} on {site}/{host}",
        sections=(
            Section(
                name="why",
                title="The verdict",
                query=fixed(statements()["why"], ExplainedImage, **about),
                show=_explained,
                empty=f"{site}/{host} has no image {reference}",
                is_required=True,
            ),
            Section(
                name="tag",
                title="What the tag pointed to",
                query=fixed(statements()["tag_history"], TagPeriod, reference=reference),
                show=tag_table,
                empty="The registry has not told yet what it points to.",
            ),
            Section(
                name="budgets",
                title="How the registry is asked",
                query=fixed(statements()["registry_budgets"], RegistryBudget, registry=registry),
                show=budget_table,
                empty="The registry has told of no limit.",
            ),
        ),
    )


def _explained(rows: Sequence[ExplainedImage], now: datetime) -> Node:
    return [h.article[_one(row, now)] for row in rows]


def _one(row: ExplainedImage, now: datetime) -> Node:
    return [
        h.p(".verdict")[
            cells.badge(row.verdict), " ", h.code[row.reason], ". ", ADVICE.get(row.reason)
        ],
        h.h3["Verdict"],
        record(
            [
                ("Since", cells.moment(row.verdict_since, now)),
                ("Error", cells.whole(row.error)),
                ("Stale", cells.yes(row.stale)),
                ("Checked", cells.moment(row.checked_at, now)),
                ("Checked next", cells.moment(row.next_check_at, now)),
            ]
        ),
        h.h3["On the host"],
        record(_on_host(row, now)),
        *_on_base(row, now),
        h.h3["In the registry"],
        record(
            [
                ("Digest", cells.whole_digests([row.remote_digest] if row.remote_digest else [])),
                ("Version", cells.whole(row.remote_version)),
                ("Built", cells.moment(row.remote_built_at, now)),
                ("Sources", cells.whole(row.source)),
            ]
        ),
    ]


def _on_base(row: ExplainedImage, now: datetime) -> list[Node]:
    """Show the image that it was built on, where a label names it."""
    if not row.base_name:
        return []
    facts: list[tuple[str, Node]] = [
        ("Image", cells.whole(row.base_name)),
        ("Was replaced", cells.yes(row.base_outdated)),
        ("Checked", cells.moment(row.base_checked_at, now)),
        ("Error", cells.whole(row.base_error)),
    ]
    return [h.h3["Built on"], record(facts)]


def _on_host(row: ExplainedImage, now: datetime) -> list[tuple[str, Node]]:
    return [
        ("Host", links.host(row.site, row.host, row.hostname)),
        ("Place", links.place(row.place)),
        ("Digests", cells.whole_digests(row.local_digests)),
        ("Image id", cells.whole_digests([row.image_id])),
        ("Manifest", cells.whole_digests([row.manifest_digest] if row.manifest_digest else [])),
        ("Platform", cells.text(row.platform)),
        ("Version", cells.whole(row.local_version)),
        ("Version of its base only", cells.yes(row.version_inherited)),
        ("On the host since", cells.moment(row.on_host_since, now)),
        ("Built", cells.moment(row.created_at, now)),
        ("Size in bytes", cells.number(row.size)),
        ("Containers", cells.texts(row.containers)),
        ("Of these run", cells.number(row.running)),
        ("Has the tag still", cells.yes(row.tagged)),
        ("A container names the digest", cells.yes(row.by_digest)),
    ]


KIND = PageKind("/hosts/{site}/{host}/why", why, PARAMETERS)
