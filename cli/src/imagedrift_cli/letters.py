"""`imagedrift dead-letters`: messages that were refused, listed, shown whole, or dropped."""

import asyncio
from collections.abc import Sequence

import click

from imagedrift_cli import database, listing
from imagedrift_cli.database import Reader
from imagedrift_cli.failures import NotFound
from imagedrift_cli.filter_options import filtered, not_empty
from imagedrift_cli.filters import OF_LETTERS, Filters, where
from imagedrift_cli.listing import ListQuery
from imagedrift_cli.output import Output, shown


@click.command(name="dead-letters")
@click.option(
    "--show", "letter", metavar="LETTER", callback=not_empty, help="Show one with its message."
)
@click.option(
    "--drop",
    "dropped",
    metavar="LETTER",
    multiple=True,
    callback=not_empty,
    help="Drop one, as seen to.",
)
@shown()
@filtered()
def dead_letters(
    filters: Filters, output: Output, letter: str | None, dropped: tuple[str, ...]
) -> None:
    """Messages that were refused, the newest first, and why.

    Filters choose the inventories of hosts. TEXT has to be in the subject, the service or the
    reason. --drop needs the role imagedrift_writer; a rebuild reads from NATS again what it has.
    """
    if dropped:
        asyncio.run(_drop(dropped))
        return
    listing.answer(_all(filters) if letter is None else _one(letter), output)


def _all(filters: Filters) -> ListQuery:
    return ListQuery(
        statement="dead_letters",
        values=filters.values,
        clauses={"where": where(filters, OF_LETTERS)},
        brief=("letter", "received_at=last", "times", "reason", "subject", "error"),
        noun="dead letters",
        filters=filters,
        has_free_text=True,
    )


def _one(letter: str) -> ListQuery:
    async def is_absent(reader: Reader) -> None:
        await _no_such_letter(reader, letter)

    return ListQuery(
        statement="dead_letter",
        values={"letter": letter},
        noun="",
        as_records=True,
        if_none=is_absent,
    )


async def _drop(letters: Sequence[str]) -> None:
    async with Reader.connected(database.database_url()) as reader:
        for letter in letters:
            if not await reader.named("drop_letter", letter=letter):
                await _no_such_letter(reader, letter)
            click.echo(f"dropped {letter}")


async def _no_such_letter(reader: Reader, letter: str) -> None:
    known = [row["letter"] for row in await reader.ask("SELECT letter FROM ops.dead_letters")]
    raise NotFound("letter", letter, known, "see `imagedrift dead-letters`")
