"""`imagedrift decide` and `undo`: put an image off, and take that back.

The database checks what is decided, and keeps who decided it: `ops.decide` and `ops.undo`.
"""

import asyncio
import functools
import json
from typing import Final

import click

from imagedrift_cli import listing, names, queries
from imagedrift_cli.database import Reader, database_url
from imagedrift_cli.failures import BadUsage, NotFound, nearest, suggestion
from imagedrift_cli.filter_options import one
from imagedrift_cli.filters import Filters
from imagedrift_schemas.reference import CanonicalParts
from imagedrift_schemas.registry_name import DOCKER_HUB, canonical_registry, reads_as_domain

KINDS: Final = (
    "ignore", "snooze", "skip", "accept", "wait", "due_after", "within", "track", "pin",
)  # fmt: skip

_VALUES: Final = {
    **dict.fromkeys(("wait", "due_after"), "3d, or another span"),
    "within": "minor, or patch or major",
    "track": "TRACK, one of ops.versions",
}
"""What `--value` is for each kind that needs one."""

_for_hosts = functools.partial(click.option, multiple=True, callback=one)


def pattern_of(text: str) -> str:
    """Write a pattern in full, as a reference is. Raises `BadUsage`."""
    head, star, behind = text.partition("*")
    if not star or behind:
        return names.canonical(text)
    first, slash, rest = text.partition("/")
    if not head:
        return text
    if slash and reads_as_domain(first):
        return f"{canonical_registry(first)}/{rest}"
    return f"{DOCKER_HUB}/{text}" if slash else f"{DOCKER_HUB}/library/{text}"


@click.command()
@click.argument("pattern")
@click.argument("kind", type=click.Choice(KINDS), metavar="KIND")
@click.option("--value", help="A span, a digest or version to skip, a step, or a track.")
@click.option("--until", default="", metavar="TIME", help="When it ends, as 2026-12-24T18:00Z.")
@click.option("--for", "span", default="", metavar="SPAN", help="How long it holds, as 2w or 12h.")
@_for_hosts("--site", help="Only for hosts of this site.")
@_for_hosts("--place", help="Only for hosts at this place or inside it.")
@_for_hosts("--label", metavar="K=V", help="Only for hosts with this label.")
@click.option("--reason", default="", help="Why; needed by ignore and accept.")
@click.option("--sql", "as_sql", is_flag=True, help="Print the statement instead.")
def decide(
    pattern: str, kind: str, value: str | None, until: str, span: str, site: str | None,
    place: str | None, label: str | None, reason: str, as_sql: bool,
) -> None:  # fmt: skip
    """Decide about an image, or with * at its end about all images that begin so.

    KIND is ignore, accept (until undone), snooze (until a time), skip (the present digest and newer
    versions only), wait or due_after (a span), within (patch, minor or major versions are due),
    track (only those of this track), or pin (none). The login needs the role imagedrift_decider;
    `imagedrift decisions` shows who decided what.
    """
    if until and span:
        raise BadUsage("--until and --for: give one of them")
    if missing := _missing(kind, value, until or span, reason):
        raise BadUsage(f"{kind} needs {missing}")
    given = {"site": site, "place": place, "label": label}
    values: dict[str, object] = {
        "pattern": pattern_of(pattern),
        "selector": json.dumps({name: text for name, text in given.items() if text is not None}),
        "kind": kind,
        "until": until,
        "span": span,
        "reason": reason,
        "value": value,
    }
    if as_sql:
        click.echo(queries.filled_in(queries.statements()["decide"], values))
        return
    made, like = asyncio.run(_decide(values, _hosts(site, place, label)))
    about = listing.counted(made["matches"], "references")
    click.echo(f"decided {made['decision_id']}: {kind} {values['pattern']} ({about})")
    if made["matches"] == 0:
        told = "; ".join(filter(None, ["no host has such an image now", suggestion(like)]))
        click.echo(listing.noted(told), err=True)


@click.command()
@click.argument("decision_id", metavar="ID", type=int)
@click.option("--reason", default="", help="Why.")
@click.option("--sql", "as_sql", is_flag=True, help="Print the statement instead.")
def undo(decision_id: int, reason: str, as_sql: bool) -> None:
    """Take a decision back, from now on. ID is in `imagedrift decisions`.

    The login needs the role imagedrift_decider.
    """
    values: dict[str, object] = {"decision_id": decision_id, "reason": reason}
    if as_sql:
        click.echo(queries.filled_in(queries.statements()["undo"], values))
        return
    asyncio.run(_undo(decision_id, values))
    click.echo(f"undone {decision_id}")


def _missing(kind: str, value: str | None, end: str, reason: str) -> str:
    """Return what a kind needs and was not given, with its option; empty when it has all."""
    if kind == "snooze" and not end:
        return "an end: --for or --until, as --for 2w"
    if kind in ("ignore", "accept") and not reason.strip():
        return "a reason: --reason, as --reason 'replaced in March'"
    return f"a value: --value {_VALUES[kind]}" if kind in _VALUES and not value else ""


def _hosts(site: str | None, place: str | None, label: str | None) -> Filters:
    """Name the hosts of a decision, to make sure that they are there."""
    key, mark, value = (label or "").partition("=")
    return Filters(
        sites=(site,) if site else (),
        places=(place,) if place else (),
        labels=((key, value),) if key and mark else (),
    )


async def _decide(values: dict[str, object], hosts: Filters) -> tuple[dict[str, int], list[str]]:
    """Decide; return the decision, and likely names where it is about no reference."""
    async with Reader.connected(database_url()) as reader:
        await names.check_filters(reader, hosts)
        await _check_end(reader, str(values["until"]), str(values["span"]))
        [made] = await reader.named("decide", **values)
        return made, [] if made["matches"] else await _alike(reader, str(values["pattern"]))


async def _check_end(reader: Reader, until: str, span: str) -> None:
    """Make sure that the database can read an end. Raises `BadUsage`: the option and the fix."""
    try:
        [end] = await reader.named("check_end", until=until, span=span)
        if end["is_too_far"]:
            raise BadUsage("beyond the year 9999")
    except BadUsage as fault:
        told = (
            f"--until {until}: write a time, as 2026-12-24T18:00Z; for a span use --for"
            if until
            else f"--for {span}: write a span, as 2w or 12h; for a time use --until"
        )
        raise BadUsage(told) from fault


async def _alike(reader: Reader, pattern: str) -> list[str]:
    """Find the images that hosts have whose names are near to a pattern."""
    name = pattern.rstrip("*")
    repository = CanonicalParts.of(name).repository
    rows = await reader.named("images_like", name=name, repository=repository)
    return nearest(name, [row["name"] for row in rows])


async def _undo(decision_id: int, values: dict[str, object]) -> None:
    async with Reader.connected(database_url()) as reader:
        if not await reader.ask("SELECT FROM ops.decisions WHERE decision_id = $1", decision_id):
            known = [row["name"] for row in await reader.named("decision_ids")]
            raise NotFound("decision", str(decision_id), known, "see `imagedrift decisions --all`")
        await reader.named("undo", **values)
