"""Asking one question of the database and showing its answer in the form that was asked for.

Rules:
- Rows, their number and the remarks are of one moment of the database.
- A terminal's table has the first 100 rows, and says of how many. Every other form has all rows.
- The first rows of a whole fleet may be kept in a view: then nobody searches all for them.
- Counting must not take longer than the rows: a whole fleet is counted by its summary, and what
  filters leave is counted up to 10,000.
- Rows are read and written in portions, so that memory is bounded for any fleet. A terminal's table
  is laid out whole: its rows decide which columns tell something.
- What is written is kept in a temporary file until the last row is read. A pager that reads slowly
  then holds no snapshot of the database, and a fault leaves no half of an answer.
- Remarks go to standard error: they bear on the rows, and are none.
"""

import asyncio
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from typing import IO, Final, Protocol

import click
from msgspec import Struct
from msgspec.structs import replace

from imagedrift_cli import cells, database, display, forms, names, queries, tables
from imagedrift_cli.cells import Row
from imagedrift_cli.database import PORTION, Portion, Reader
from imagedrift_cli.display import Display
from imagedrift_cli.failures import Unusable
from imagedrift_cli.filters import Filters
from imagedrift_cli.narrowing import narrowing
from imagedrift_cli.output import AT_FIRST, Output

Before = Callable[[Reader], Awaitable[Sequence[str]]]


class Remarks(Protocol):
    """Remarks about the rows of a list."""

    def see(self, rows: Sequence[Row]) -> None:
        """Take note of the next rows."""

    def lines(self) -> list[str]:
        """Write the remarks on the rows that were seen."""


IN_MEMORY: Final = 4 << 20
"""Characters of an answer that are kept without a file."""
PART: Final = 1 << 16
MOST_COUNTED: Final = 10_000
"""As many rows are counted of a list that filters have left."""


class Total(Struct, frozen=True):
    """How many rows there are without a limit: so many, or more."""

    rows: int
    is_exact: bool = True


class ListQuery(Struct, frozen=True, kw_only=True):
    """A question: a named statement, its clauses and values, and what a table shows of it."""

    statement: str
    values: Mapping[str, object] = {}
    clauses: Mapping[str, str] = {}
    brief: Sequence[str] = ()
    """Columns of a table, as `name`, `name=heading`, or `name?` where it tells something."""
    noun: str = "rows"
    first: str = ""
    """The named statement that has the first rows of all without a search through all."""
    filters: Filters = Filters()
    summary: str = ""
    """Column of `ops.fleet_summary` with the number of rows that no filter has left out."""
    counting: str = "counted"
    """The named statement that counts the rows, up to a limit."""
    as_records: bool = False
    """Whether a terminal has each row as lines of its own."""
    is_narrowed: bool = False
    """Whether a text is first looked for in the names of hosts and references, which are few."""
    has_free_text: bool = False
    """Whether a text is looked for in more than names: then it need not be a part of one."""
    is_summary: bool = False
    """Whether there always is a row, also where the filters leave nothing."""
    before: Before | None = None
    """Makes sure that the named object exists; returns remarks on it."""
    if_none: Callable[[Reader], Awaitable[None]] | None = None
    """Names the missing object by an exception, where there is no row."""
    remarking: Callable[[Reader], Awaitable[Remarks]] | None = None
    """Makes the source of remarks on the rows."""


def answer(asked: ListQuery, output: Output) -> int:
    """Ask, show the answer, and return how many rows there are."""
    text = queries.composed(asked.statement, **asked.clauses)
    if output.form == "sql":
        click.echo(queries.filled_in(_limited(text, output.limit), asked.values))
        return 0
    return asyncio.run(_answer(asked, text, output, display.current()))


def write(text: str, seen: Display) -> None:
    """Print a text: as the terminal's locale has it, and as UTF-8 everywhere else."""
    click.echo(text if seen.is_terminal else text.encode(), nl=False)


async def _answer(asked: ListQuery, text: str, output: Output, seen: Display) -> int:
    limit = output.limit
    if limit is None and _is_laid_out(output, seen) and not asked.as_records:
        limit = AT_FIRST
    with tempfile.SpooledTemporaryFile(IN_MEMORY, "w+", encoding="utf-8", newline="") as spool:
        async with Reader.connected(database.database_url()) as reader, reader.snapshot():
            notes = list(await asked.before(reader)) if asked.before else []
            remarks = await asked.remarking(reader) if asked.remarking else None
            here = 0
            if asked.is_narrowed and asked.filters.texts:
                asked, text = await _narrowed(reader, asked)
            chosen_text = await _quickest(reader, asked, text, limit)
            async for rows, written in _written(reader, asked, chosen_text, limit, output, seen):
                _keep(spool, written)
                here += len(rows)
                if remarks:
                    remarks.see(rows)
            is_cut = here == limit
            total = await _counted(reader, asked, text, here) if is_cut else Total(here)
        spool.seek(0)
        while part := spool.read(PART):
            write(part, seen)
    below = _total(asked, here, total, output, seen)
    for line in [*below, *notes, *(remarks.lines() if remarks else ())]:
        click.echo(line, err=True)
    return total.rows


def _keep(spool: IO[str], text: str) -> None:
    """Write to the temporary file. Raises `Unusable`."""
    try:
        spool.write(text)
    except OSError as error:
        raise Unusable(
            f"no temporary file for the answer (TMPDIR names the folder): {error.strerror}"
        ) from error


async def _narrowed(reader: Reader, asked: ListQuery) -> tuple[ListQuery, str]:
    """Add the filters that the texts imply."""
    found = await narrowing(reader, asked.filters)
    if found.condition:
        where = f"{asked.clauses['where']}\n  AND {found.condition}"
        asked = replace(
            asked,
            clauses={**asked.clauses, "where": where},
            values={**asked.values, **found.values},
        )
    return asked, queries.composed(asked.statement, **asked.clauses)


async def _quickest(reader: Reader, asked: ListQuery, text: str, limit: int | None) -> str:
    """Choose the statement that has the first rows kept, where these are as many as are wanted."""
    if not asked.first or not limit or limit > AT_FIRST or asked.filters.is_set:
        return text
    first = queries.composed(asked.first)
    return first if len(await reader.ask(_limited(first, limit))) == limit else text


async def _written(
    reader: Reader, asked: ListQuery, text: str, limit: int | None, output: Output, seen: Display
) -> AsyncIterator[tuple[Sequence[Row], str]]:
    """Read the rows in portions, each with its written form. Raises `NotFound`."""
    sql, arguments = queries.positional(_limited(text, limit), asked.values)
    is_whole = _is_laid_out(output, seen) or (limit and limit <= PORTION)
    writer: forms.Writer | None = None
    async for portion in reader.portions(sql, *arguments, size=None if is_whole else PORTION):
        if writer is None:
            await _explain_none(asked, reader, portion)
            writer = _writer(asked, portion, output, seen)
        yield portion.rows, writer.portion(portion.rows)
    if writer:
        yield (), writer.end()


def _limited(text: str, limit: int | None) -> str:
    return f"{text}\nLIMIT {limit}" if limit else text


def _is_laid_out(output: Output, seen: Display) -> bool:
    """Whether the rows are fitted into a terminal's width."""
    return output.form == "table" and seen.is_terminal


async def _explain_none(asked: ListQuery, reader: Reader, first: Portion) -> None:
    """Name the missing object, where no row shows that it exists. Raises `NotFound`."""
    if not first.rows or asked.is_summary or asked.filters.has_alternatives:
        await names.check_filters(reader, asked.filters, is_free=asked.has_free_text)
    if not first.rows and asked.if_none:
        await asked.if_none(reader)


def _writer(asked: ListQuery, first: Portion, output: Output, seen: Display) -> forms.Writer:
    """Make the writer of the rows; for a terminal it depends on the first ones."""
    return forms.Writer(
        "records" if asked.as_records and _is_laid_out(output, seen) else output.form,
        seen,
        columns=first.columns,
        brief=tables.chosen(asked.brief, first.rows, seen),
        header=output.header,
    )


async def _counted(reader: Reader, asked: ListQuery, text: str, here: int) -> Total:
    """Count the rows that there are without a limit, as far as that is quick."""
    if asked.summary and not asked.filters.is_set:
        [fleet] = await reader.named("status")
        return Total(int(fleet[asked.summary]))
    most = max(MOST_COUNTED, here)
    counting = queries.composed(asked.counting, **asked.clauses, query=queries.unordered(text))
    sql, arguments = queries.positional(counting, {**asked.values, "most": most})
    [row] = await reader.ask(sql, *arguments)
    return Total(min(int(row["n"]), most), is_exact=row["n"] <= most)


def _total(asked: ListQuery, here: int, total: Total, output: Output, seen: Display) -> list[str]:
    """Say how many rows there are, where somebody looks or some are missing."""
    number = counted(total.rows, asked.noun)
    if not total.is_exact:
        return [f"{here} of more than {number}; {_more(output, 'a pipe')}"]
    if here < total.rows:
        return [f"{here} of {number}; {_more(output, f'--limit {total.rows} or a pipe')}"]
    if not asked.noun or not seen.is_terminal or output.form not in ("table", "wide"):
        return []
    return [number]


def _more(output: Output, where: str) -> str:
    return "as asked" if output.limit is not None else f"{where} has all"


def counted(number: int, noun: str) -> str:
    """Say a number of things, given in the plural."""
    if number == 1:
        noun = noun.removesuffix("ies") + "y" if noun.endswith("ies") else noun.removesuffix("s")
    return f"{number:,} {noun}"


def noted(reason: str) -> str:
    """Mark a remark, so that it is told from an error, in characters that can be shown."""
    return f"note: {cells.exact(reason)}"
