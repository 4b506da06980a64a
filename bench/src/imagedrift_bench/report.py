"""Prints the result of a benchmark: the same table, JSON and exit code for each.

The exit code is 0 when every check held, and 1 otherwise: a figure of a wrong run is worthless.
"""

import json
import sys
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NoReturn, TypeVar

import click
from rich.console import Console

from imagedrift_cli import display, tables

F = TypeVar("F", bound=Callable[..., Any])

Figures = dict[str, float | int]
"""The figures of a benchmark by name, as they are printed."""

progress = Console(stderr=True)
"""Where a benchmark prints its progress."""


def count(
    option: str, default: int, told: str | None = None, *, least: int = 1
) -> Callable[[F], F]:
    """Give a benchmark an option with a number of at least one, or of a larger least one."""
    return click.option(
        option, default=default, type=click.IntRange(min=least), show_default=True, help=told
    )


def as_json(command: F) -> F:
    """Give a benchmark the option ``--json``, passed to it as `as_json`."""
    return click.option(
        "--json", "as_json", is_flag=True, help="End with one line: the result as a JSON object."
    )(command)


def finish(
    name: str,
    figures: Mapping[str, float | int | str],
    *,
    as_json: bool,
    failed_checks: Sequence[str] = (),
) -> NoReturn:
    """Print the figures and end the command; `failed_checks` are sentences, shown on stderr."""
    for check in failed_checks:
        progress.print(f"[red]check failed:[/red] {check}")
    if as_json:
        click.echo(json.dumps(dict(figures)))
    else:
        rows = [
            {"figure": key, "value": f"{value:,.3f}" if isinstance(value, float) else str(value)}
            for key, value in figures.items()
        ]
        click.echo(
            "\n".join(tables.as_table(rows, (f"figure=bench {name}", "value"), display.current()))
        )
    sys.exit(1 if failed_checks else 0)
