"""Asking one question of the database and showing its answer in the form that was asked for.

Rules:
- Rows, their number and the remarks are of one moment of the database.
- A terminal's table has the first 100 rows, and says of how many. Every other form has all rows.
- Remarks go to standard error: they bear on the rows, and are none.
"""

import asyncio
import functools
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any, Final, TypeVar

import click
from msgspec import Struct

from imagedrift_cli import cells, database, display, forms, names, queries, tables
from imagedrift_cli.database import Answer, Reader
from imagedrift_cli.display import Display
from imagedrift_cli.filters import Filters
from imagedrift_cli.forms import FORMS, Form
from imagedrift_cli.tables import Row

F = TypeVar("F", bound=Callable[..., Any])
Before = Callable[[Reader], Awaitable[Sequence[str]]]
After = Callable[[Reader, Sequence[Row]], Awaitable[Sequence[str]]]

AT_FIRST: Final = 100
"""Rows that a terminal's table has where no number was asked for."""


class Output(Struct, frozen=True):
    """How an answer is shown."""

    form: Form = "table"
    limit: int | None = None
    header: bool = True


class Asked(Struct, frozen=True, kw_only=True):
    """A question: a named statement, its clauses and values, and what a table shows of it."""

    statement: str
    values: Mapping[str, object] = {}
    clauses: Mapping[str, str] = {}
    brief: Sequence[str] = ()
    """Columns of a table, as `name`, `name=heading`, or `name?` where it tells something."""
    noun: str = "rows"
    filters: Filters = Filters()
    as_records: bool = False
    """Whether a terminal has each row as lines of its own."""
    before: Before | None = None
    """Makes sure that what was named is there; remarks on it."""
    after: After | None = None
    """Remarks on the rows."""


class Shown(Struct, frozen=True):
    """What came of a question."""

    answer: Answer
    total: int
    remarks: list[str]


def shown(*, limited: bool = True) -> Callable[[F], F]:
    """Give a command the options of its output, as one argument `output`."""

    def decorate(command: F) -> F:
        @functools.wraps(command)
        def run(*arguments: Any, **options: Any) -> Any:
            taken = {
                name: options.pop(name) for name in ("form", "limit", "header") if name in options
            }
            return command(*arguments, output=Output(**taken), **options)

        wrapped: Any = run
        for option in reversed(_LIMIT + _FORMS if limited else _FORMS):
            wrapped = option(wrapped)
        decorated: F = wrapped
        return decorated

    return decorate


_LIMIT: Final = [
    click.option(
        "--limit",
        type=click.IntRange(min=1),
        help=f"Rows at most; by default all, and {AT_FIRST} on a terminal.",
    )
]
_FORMS: Final = [
    click.option(
        "-o",
        "--output",
        "form",
        type=click.Choice(FORMS),
        default="table",
        help="Form of the answer.",
        metavar="FORM",
    ),
    click.option("--wide", "form", flag_value="wide", help="All columns, as -o wide."),
    click.option("--json", "form", flag_value="json", help="A JSON array of objects."),
    click.option("--csv", "form", flag_value="csv", help="CSV with a header."),
    click.option("--sql", "form", flag_value="sql", help="The query, which is not run."),
    click.option("--no-header", "header", flag_value=False, default=True, help="Rows alone."),
]


def answer(asked: Asked, output: Output) -> int:
    """Ask, and show the answer; how many rows there are."""
    text = queries.composed(asked.statement, **asked.clauses)
    if output.form == "sql":
        limited = f"{text}\nLIMIT {output.limit}" if output.limit else text
        click.echo(queries.filled_in(limited, asked.values))
        return 0
    seen = display.current()
    limit = output.limit
    if limit is None and output.form == "table" and seen.is_terminal and not asked.as_records:
        limit = AT_FIRST
    found = asyncio.run(_ask(asked, text, limit))
    write(rendered(asked, found.answer, output, seen), seen)
    for line in [*_total(asked, found, output, seen), *found.remarks]:
        click.echo(line, err=True)
    return found.total


def rendered(asked: Asked, found: Answer, output: Output, seen: Display) -> str:
    """Write an answer in its form."""
    if asked.as_records and output.form == "table" and seen.is_terminal:
        return "".join(f"{line}\n" for line in tables.as_records(found.rows, seen))
    return forms.render(
        found.rows,
        output.form,
        seen,
        columns=found.columns,
        brief=_chosen(asked.brief, found.rows, seen),
        header=output.header,
    )


def write(text: str, seen: Display) -> None:
    """Print a text: as the terminal's locale has it, and as UTF-8 everywhere else."""
    click.echo(text if seen.is_terminal else text.encode(), nl=False)


async def _ask(asked: Asked, text: str, limit: int | None) -> Shown:
    async with Reader.connected(database.database_url()) as reader, reader.snapshot():
        remarks = list(await asked.before(reader)) if asked.before else []
        limited = f"{text}\nLIMIT {limit}" if limit else text
        sql, arguments = queries.positional(limited, asked.values)
        found = await reader.query(sql, *arguments)
        total = len(found.rows)
        if limit and total == limit:
            counting = queries.composed("counted", query=text)
            sql, arguments = queries.positional(counting, asked.values)
            [row] = await reader.ask(sql, *arguments)
            total = row["n"]
        if not total:
            await names.check_filters(reader, asked.filters)
        if asked.after:
            remarks += await asked.after(reader, found.rows)
        return Shown(found, total, remarks)


def _total(asked: Asked, found: Shown, output: Output, seen: Display) -> list[str]:
    """Say how many rows there are, where somebody looks or some are missing."""
    here = len(found.answer.rows)
    if here < found.total:
        more = f"--limit {found.total} or a pipe has all" if output.limit is None else "as asked"
        return [f"{here} of {counted(found.total, asked.noun)}; {more}"]
    if not asked.noun or not seen.is_terminal or output.form not in ("table", "wide"):
        return []
    return [counted(found.total, asked.noun)]


def counted(number: int, noun: str) -> str:
    """Say a number of things, given in the plural."""
    if number == 1:
        noun = noun.removesuffix("ies") + "y" if noun.endswith("ies") else noun.removesuffix("s")
    return f"{number:,} {noun}"


def _chosen(brief: Sequence[str], rows: Sequence[Row], seen: Display) -> list[str]:
    """Choose the columns of a table: those with a mark go where they tell nothing apart."""
    return [
        name.replace("?", "") for name in brief
        if "?" not in name or not seen.is_terminal or _tells(name.partition("?")[0], rows)
    ]  # fmt: skip


def _tells(name: str, rows: Sequence[Row]) -> bool:
    match name:
        case "host":
            return any(row["host"] != row.get("hostname") for row in rows)
        case "site" | "hostname":
            return len({row[name] for row in rows}) > 1
        case _:
            return any(row[name] for row in rows)


def noted(reason: str) -> str:
    """Mark a remark, so that it is told from an error, in characters that can be shown."""
    return f"note: {cells.exact(reason)}"
