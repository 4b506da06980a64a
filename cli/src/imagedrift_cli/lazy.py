"""A group of commands that loads a command only when it is run or its own help is asked for.

Each command imports what it needs, and some of that takes a second: so the list of commands is
told from the table below a group, not from the commands.
"""

import importlib
from collections.abc import Mapping
from typing import Any

import click
from msgspec import Struct


class Command(Struct, frozen=True):
    """Where a command stands, as `module:name`, and what a list says of it."""

    where: str
    summary: str


class LazyGroup(click.Group):
    """A group whose commands stand in a table, in the order in which they are listed."""

    def __init__(self, *arguments: Any, table: Mapping[str, Command], **options: Any) -> None:
        super().__init__(*arguments, **options)
        self._table = table

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click's signature
        """Name the commands."""
        return list(self._table)

    def get_command(
        self,
        ctx: click.Context,  # noqa: ARG002 - click's signature
        cmd_name: str,
    ) -> click.Command | None:
        """Load a command."""
        if cmd_name not in self._table:
            return None
        module, _, name = self._table[cmd_name].where.partition(":")
        command: click.Command = getattr(importlib.import_module(module), name)
        return command

    def format_commands(
        self,
        ctx: click.Context,  # noqa: ARG002 - click's signature
        formatter: click.HelpFormatter,
    ) -> None:
        """List the commands without loading one."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, each.summary) for name, each in self._table.items()])
