"""The commands that begin with a host: all of them, one of them, one image of it, its history."""

from collections.abc import Sequence

import click
from msgspec.structs import replace

from imagedrift_cli import listing, names, remarks
from imagedrift_cli.database import Reader
from imagedrift_cli.filter_options import filtered
from imagedrift_cli.filters import HOST_KEY, OF_HOSTS, OF_REFERENCE, Filters, Scope, where
from imagedrift_cli.listing import Before, ListQuery, noted
from imagedrift_cli.operator import OF_COMPARISONS
from imagedrift_cli.output import Output, shown
from imagedrift_cli.version_remarks import on_version

OF_CHANGES = Scope(
    frozenset({"site", "registry"}), "(site, host, reference)", HOST_KEY, texts=("reference",),
    conditions={"registry": OF_REFERENCE},
)  # fmt: skip


@click.command()
@click.option("--silent", is_flag=True, help="Only hosts that do not speak any more.")
@click.option("--degraded", is_flag=True, help="Only hosts that cannot see their images.")
@shown()
@filtered()
def hosts(filters: Filters, output: Output, silent: bool, degraded: bool) -> None:
    """Every host: whether it speaks, when it was last seen, and what is wrong with it.

    With filters of images, only hosts that have one. TEXT has to be in the host's name or id.
    """
    states = [("silent", silent), ("degraded IS NOT NULL", degraded)]
    wanted = [condition for condition, is_wanted in states if is_wanted]
    always = [f"({' OR '.join(wanted)})"] if wanted else []
    asked = ListQuery(
        statement="hosts",
        values=filters.values,
        clauses={"where": where(filters, OF_HOSTS, *always)},
        brief=("site?", "hostname", "host?", "state", "images", "outdated",
               "last_seen_at=seen", "degraded?"),
        noun="hosts",
        summary="" if wanted else "hosts",
        counting="hosts_counted",
        filters=filters,
    )  # fmt: skip
    listing.answer(asked, output)


@click.command()
@click.argument("name")
@shown()
@filtered()
def host(name: str, filters: Filters, output: Output) -> None:
    """Everything one host has; NAME is its host name, its id, or site/id.

    TEXT has to be in the reference.
    """
    scope = replace(OF_COMPARISONS, texts=("reference",))
    asked = ListQuery(
        statement="host",
        values=filters.values | names.host_values(name),
        clauses={"where": where(filters, scope, names.host_condition(name))},
        brief=("site?", "hostname?", "host?", "reference", "verdict", "reason", "running",
               "error?"),
        noun="images",
        filters=replace(filters, sites=()),
        before=_finding(name, filters),
        remarking=remarks.on_hosts,
    )  # fmt: skip
    listing.answer(asked, output)


@click.command()
@click.argument("host_name", metavar="HOST")
@click.argument("reference", metavar="REF")
@shown(limited=False)
@filtered(texts=False)
def why(host_name: str, reference: str, filters: Filters, output: Output) -> None:
    """All that the verdict of image REF on HOST rests on."""
    canonical = names.canonical(reference)
    finding = _finding(host_name, filters)

    async def is_absent(reader: Reader) -> None:
        await names.no_such_image(reader, host_name, canonical)

    conditions = (names.host_condition(host_name), "reference = :reference::text")
    asked = ListQuery(
        statement="why",
        values=filters.values | names.host_values(host_name) | {"reference": canonical},
        clauses={"where": where(filters, OF_COMPARISONS, *conditions)},
        brief=("site", "host", "reference", "verdict", "reason", "running", "verdict_since=since",
               "image_id", "local_version", "remote_version", "remote_built_at", "error"),
        noun="",
        filters=replace(filters, sites=()),
        as_records=True,
        before=finding,
        if_none=is_absent,
        remarking=on_version(canonical, remarks.on_hosts),
    )  # fmt: skip
    listing.answer(asked, output)


@click.command()
@click.argument("name", metavar="HOST|REF")
@click.option(
    "--image", "is_image", is_flag=True, help="It is an image, though a host has its name."
)
@shown()
@filtered()
def history(name: str, filters: Filters, output: Output, is_image: bool) -> None:
    """Show the changed images of a host, or the earlier digests of a tag.

    A host's first inventory is no change: `why` tells since when it has an image.
    """
    if is_image or names.is_image(name):
        listing.answer(_of_tag(name, filters), output)
        return
    asked = ListQuery(
        statement="host_history",
        values=filters.values | names.host_values(name),
        clauses={"where": where(filters, OF_CHANGES, _of_host(name))},
        brief=("occurred_at=when", "site?", "host?", "reference", "change", "old_digests?=before",
               "new_digests=after"),
        noun="changes",
        filters=replace(filters, sites=()),
        before=_finding(name, filters, "for an image give its tag, or --image"),
    )  # fmt: skip
    listing.answer(asked, output)


def _of_host(name: str) -> str:
    lines = ["(site, host) IN (SELECT site, host FROM ops.hosts", names.host_condition(name)]
    return " WHERE ".join(lines) + ")"


def _of_tag(name: str, filters: Filters) -> ListQuery:
    named = names.parsed(name)

    async def is_there(reader: Reader) -> Sequence[str]:
        if not await reader.ask(
            "SELECT FROM ops.tag_history WHERE reference = $1", named.canonical
        ):
            await names.find_image(reader, named)
        return ()

    scope = Scope(frozenset(), "reference", texts=("digest",))
    return ListQuery(
        statement="tag_history",
        values=filters.values | {"reference": named.canonical},
        clauses={"where": where(filters, scope, "reference = :reference::text")},
        brief=("valid_from=from", "valid_to=to", "digest", "reference"),
        noun="changes",
        filters=filters,
        before=is_there,
    )


def _finding(name: str, filters: Filters, also: str = "") -> Before:
    """Make the step that finds the hosts of a name, and says where there are several."""

    async def find(reader: Reader) -> Sequence[str]:
        told = names.several(name, await names.find_hosts(reader, name, filters.sites, also))
        return [noted(told)] if told else []

    return find
