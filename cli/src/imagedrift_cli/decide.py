"""`imagedrift decide` and `undo`: put an image off, and take that back.

The database checks what is decided, and keeps who decided it: `ops.decide` and `ops.undo`.
"""

import asyncio
import json
from typing import Final

import click

from imagedrift_cli import listing, names, queries
from imagedrift_cli.database import Reader, database_url

KINDS: Final = (
    "ignore", "snooze", "skip", "accept", "wait", "due_after", "within", "track", "pin",
)  # fmt: skip


def pattern_of(text: str) -> str:
    """Write a pattern in full, as a reference is. Raises `BadUsage`."""
    head, star, behind = text.partition("*")
    if not star or behind:
        return names.canonical(text)
    first, slash, _ = head.partition("/")
    if not head or (slash and (first == "localhost" or "." in first or ":" in first)):
        return text
    return f"docker.io/{text}" if slash else f"docker.io/library/{text}"


@click.command()
@click.argument("pattern")
@click.argument("kind", type=click.Choice(KINDS), metavar="KIND")
@click.option("--value", help="The span of wait and due_after, or the digest of skip.")
@click.option("--until", default="", metavar="TIME", help="When it ends, as 2026-12-24 or 18:00Z.")
@click.option("--for", "span", default="", metavar="SPAN", help="How long it holds, as 3d or 12h.")
@click.option("--site", help="Only for hosts of this site.")
@click.option("--place", help="Only for hosts at this place or inside it.")
@click.option("--label", metavar="K=V", help="Only for hosts with this label.")
@click.option("--reason", default="", help="Why; needed by ignore and accept.")
@click.option("--sql", "as_sql", is_flag=True, help="Print the statement instead.")
def decide(
    pattern: str, kind: str, value: str | None, until: str, span: str, site: str | None,
    place: str | None, label: str | None, reason: str, as_sql: bool,
) -> None:  # fmt: skip
    """Decide about an image, or with * at its end about all images that begin so.

    KIND is ignore, accept (until undone), snooze (until a time), skip (the present digest only),
    wait or due_after (a span), or within, track, pin, which newer versions will obey. The login
    needs the role imagedrift_decider; `imagedrift decisions` shows who decided what.
    """
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
    [row] = asyncio.run(_run("decide", values))
    about = listing.counted(row["matches"], "references")
    click.echo(f"decided {row['decision_id']}: {kind} {values['pattern']} ({about})")
    if row["matches"] == 0:
        click.echo(listing.noted("no host has such an image now"), err=True)


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
    asyncio.run(_run("undo", values))
    click.echo(f"undone {decision_id}")


async def _run(statement: str, values: dict[str, object]) -> list[dict[str, int]]:
    async with Reader.connected(database_url()) as reader:
        return await reader.named(statement, **values)
