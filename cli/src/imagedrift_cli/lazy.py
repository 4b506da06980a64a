"""A group of commands that loads a command only when it is run or its own help is asked for.

Each command imports what it needs, and some of that takes a second: so the list of commands is
told from the table below a group, not from the commands.

A command may be an extra, whose packages an operator does not need. Where they are not installed,
running it ends with one line that says how to install them.
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
    extra: tuple[str, ...] = ()
    """Folders of the repository whose packages are installed for this command alone."""


class NotInstalled(click.ClickException):
    """The packages of an extra are missing: exit 2, one line."""

    exit_code = 2


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
        entry = self._table[cmd_name]
        try:
            return _load(entry.where)
        except ModuleNotFoundError as error:
            if not entry.extra:
                raise
            return _not_installed(cmd_name, entry.extra, error.name)

    def format_commands(
        self,
        ctx: click.Context,  # noqa: ARG002 - click's signature
        formatter: click.HelpFormatter,
    ) -> None:
        """List the commands without loading one."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, each.summary) for name, each in self._table.items()])


def _load(where: str) -> click.Command:
    module, _, name = where.partition(":")
    command: click.Command = getattr(importlib.import_module(module), name)
    return command


def _not_installed(name: str, folders: tuple[str, ...], missing: str | None) -> click.Command:
    """Make a command that takes any arguments and says how to install the one of that name."""
    install = " ".join(f"./{folder}" for folder in folders)

    @click.command(
        name,
        add_help_option=False,
        context_settings={"ignore_unknown_options": True, "allow_extra_args": True},
    )
    def tell() -> None:
        raise NotInstalled(
            f"{name} is an extra, and {missing} is not installed: "
            f"in a checkout, pip install {install} './cli[{name}]'"
        )

    return tell
