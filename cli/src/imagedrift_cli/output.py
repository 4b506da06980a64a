"""The options by which a command is told how to show its answer."""

import functools
from collections.abc import Callable
from typing import Any, Final, TypeVar

import click
from msgspec import Struct

from imagedrift_cli.forms import FORMS, Form

F = TypeVar("F", bound=Callable[..., Any])

AT_FIRST: Final = 100
"""Rows that a terminal's table has where no number was asked for."""


class Output(Struct, frozen=True):
    """How an answer is shown."""

    form: Form = "table"
    limit: int | None = None
    header: bool = True


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
