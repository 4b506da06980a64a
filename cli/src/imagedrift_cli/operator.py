"""The lists over `ops.*`: what is outdated, unknown, failed, and of the whole fleet."""

import sys
from collections.abc import Sequence
from typing import Final

import click
from msgspec.structs import replace

from imagedrift_cli import listing, names, remarks
from imagedrift_cli.database import Reader
from imagedrift_cli.exits import Exit
from imagedrift_cli.filter_options import filtered
from imagedrift_cli.filters import OF_HOSTS, Filters, Scope, where
from imagedrift_cli.listing import ListQuery
from imagedrift_cli.output import Output, shown
from imagedrift_cli.version_remarks import on_version

OF_REFERENCES: Final = Scope(frozenset({"registry"}), "reference", texts=("reference",))
OF_ERRORS: Final = Scope(frozenset(), "reference", texts=("reference", "error"))
OF_REGISTRIES: Final = Scope(frozenset({"registry"}), "registry", texts=("registry", "credential"))
OF_COMPARISONS: Final = Scope()
SILENT: Final = "(site, host) IN (SELECT site, host FROM ops.hosts WHERE silent)"


@click.command()
@shown(limited=False)
@filtered()
def status(filters: Filters, output: Output) -> None:
    """How the fleet is: hosts, images and their verdicts, or what filters leave of them."""
    within = filters.is_set
    clauses = {"where": where(filters, OF_COMPARISONS), **_hosts(filters)}
    asked = ListQuery(
        statement="status_within" if within else "status",
        values=filters.values,
        clauses=clauses if within else {},
        brief=("hosts", "silent_hosts=silent", "images", "current", "outdated", "pinned", "local",
               "missing", "unknown", "stale"),
        noun="",
        filters=filters,
        is_summary=True,
        remarking=remarks.on_fleet(filters),
    )  # fmt: skip
    listing.answer(asked, output)


def _hosts(filters: Filters) -> dict[str, str]:
    """Write how many hosts filters leave, and how many of these are silent."""
    if filters.is_of_hosts:
        counted = "(SELECT count(*) FROM ops.hosts\n{where})"
        return {
            "hosts": counted.format(where=where(filters, OF_HOSTS)),
            "silent": counted.format(where=where(filters, OF_HOSTS, "silent")),
        }
    each = "count(DISTINCT (site, host))"
    return {"hosts": each, "silent": f"{each} FILTER (WHERE {SILENT})"}


@click.command()
@click.option("--exit-code", is_flag=True, help="End with 1 where anything is outdated.")
@shown()
@filtered()
def outdated(filters: Filters, output: Output, exit_code: bool) -> None:
    """Which hosts run an image that its registry has since replaced, longest first.

    TEXT has to be in the reference or the host's name.
    """
    asked = ListQuery(
        statement="outdated",
        values=filters.values,
        clauses={"where": where(filters, OF_COMPARISONS)},
        brief=("site?", "hostname", "host?", "reference", "running", "outdated_for",
               "recreate_only=recreate"),
        noun="outdated images",
        is_narrowed=True,
        first="outdated_longest",
        summary="outdated",
        filters=filters,
        remarking=remarks.on_hosts,
    )  # fmt: skip
    if listing.answer(asked, output) and exit_code:
        sys.exit(Exit.OUTDATED)


@click.command()
@shown()
@filtered()
def unknown(filters: Filters, output: Output) -> None:
    """Images that no registry has said anything of yet, and why.

    TEXT has to be in the reference, the host's name or the error.
    """
    scope = replace(OF_COMPARISONS, texts=(*OF_COMPARISONS.texts, "error"))
    asked = ListQuery(
        statement="unknown",
        values=filters.values,
        clauses={"where": where(filters, scope, "verdict = 'unknown'")},
        brief=("site?", "hostname", "host?", "reference", "reason", "running", "error"),
        noun="unknown images",
        summary="unknown",
        filters=filters,
        has_free_text=True,
        remarking=remarks.on_hosts,
    )
    listing.answer(asked, output)


@click.command()
@shown()
@filtered()
def images(filters: Filters, output: Output) -> None:
    """Every image of the fleet, those that most hosts should replace first.

    With filters of hosts, only these hosts are counted. TEXT has to be in the reference.
    """
    within = [kind for kind in filters.kinds if kind != "registry"]
    scope = replace(OF_COMPARISONS, texts=("reference",)) if within else OF_REFERENCES
    asked = ListQuery(
        statement="images_within" if within else "images",
        values=filters.values,
        clauses={"where": where(filters, scope)},
        brief=("reference", "outdated_hosts=outdated", "running_hosts=running", "hosts",
               "variants", "checked_at=checked"),
        noun="images",
        filters=filters,
    )  # fmt: skip
    listing.answer(asked, output)


@click.command()
@click.argument("reference")
@click.option("--hosts", is_flag=True, help="List the hosts that have it.")
@shown()
@filtered(texts=False)
def image(reference: str, filters: Filters, output: Output, hosts: bool) -> None:
    """One image reference: what it points to now, and how many hosts have what of it.

    With filters of hosts, only these hosts are counted.
    """
    named = names.parsed(reference)
    condition = "reference = :reference::text"
    values = filters.values | {"reference": named.canonical}

    async def is_there(reader: Reader) -> Sequence[str]:
        await names.find_image(reader, named)
        return ()

    asked = ListQuery(
        statement="image",
        values=values,
        clauses={"where": where(filters, OF_REFERENCES, condition)},
        brief=("reference", "outdated_hosts=outdated", "running_hosts=running", "hosts",
               "remote_digest", "remote_version=version", "checked_at=checked"),
        noun="images",
        filters=filters,
        before=is_there,
        remarking=on_version(named.canonical),
    )  # fmt: skip
    compared = {"where": where(filters, OF_COMPARISONS, condition)}
    if hosts:
        asked = _on_hosts(asked, compared)
    elif [kind for kind in filters.kinds if kind != "registry"]:
        asked = _within_hosts(asked, compared)
    listing.answer(asked, output)


def _within_hosts(asked: ListQuery, compared: dict[str, str]) -> ListQuery:
    """Ask for an image as the filtered hosts alone have it."""
    brief = [name for name in asked.brief if name != "remote_version=version"]
    return replace(asked, statement="images_within", clauses=compared, brief=brief)


def _on_hosts(asked: ListQuery, compared: dict[str, str]) -> ListQuery:
    """Ask for the hosts that have an image."""
    return replace(
        asked,
        statement="image_hosts",
        clauses=compared,
        brief=("site?", "hostname", "host?", "verdict", "reason", "running",
               "verdict_since=since", "local_digests"),
        remarking=remarks.on_hosts,
    )  # fmt: skip


@click.command()
@shown()
@filtered()
def registries(filters: Filters, output: Output) -> None:
    """Show the limits of each registry, the requests that are left, and its block."""
    asked = ListQuery(
        statement="registries",
        values=filters.values,
        clauses={"where": where(filters, OF_REGISTRIES)},
        brief=("registry", "credential", "rate_limit=limit", "rate_remaining=left",
               "blocked_until=blocked", "last_status=status", "observed_at=seen"),
        noun="registries",
        filters=filters,
        has_free_text=True,
    )  # fmt: skip
    listing.answer(asked, output)


@click.command()
@shown()
@filtered()
def errors(filters: Filters, output: Output) -> None:
    """References whose last check failed, and why; those on most hosts first."""
    asked = ListQuery(
        statement="errors",
        values=filters.values,
        clauses={"where": where(filters, OF_ERRORS)},
        brief=("reference", "outcome", "failures", "hosts", "failing_since=since", "error"),
        noun="failed lookups",
        filters=filters,
        has_free_text=True,
    )
    listing.answer(asked, output)
