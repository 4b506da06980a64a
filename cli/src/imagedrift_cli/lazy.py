"""A group of commands that loads a command only when it is run or its own help is asked for.

Each command imports what it needs, and some of that takes a second: so the list of commands, and
their completion in a shell, are told from the table below a group, not from the commands.

A command may be an extra, whose packages an operator does not need. Where they are not installed,
running it ends with one line that says how to install them.
"""

import importlib
from collections.abc import Mapping
from typing import Any

import click
from click.shell_completion import CompletionItem
from msgspec import Struct

from imagedrift_cli.failures import BadUsage, nearest, suggestion


class Command(Struct, frozen=True):
    """The place of a command, as `module:name`, and its line in a list."""

    where: str
    summary: str
    extra: tuple[str, ...] = ()
    """Folders of the repository whose packages are installed for this command alone."""


class LazyGroup(click.Group):
    """A group whose commands stand in a table, in the order in which they are listed."""

    def __init__(self, *arguments: Any, table: Mapping[str, Command], **options: Any) -> None:
        super().__init__(*arguments, **options)
        self.table = table

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click's signature
        """Name the commands."""
        return list(self.table)

    def get_command(
        self,
        ctx: click.Context,  # noqa: ARG002 - click's signature
        cmd_name: str,
    ) -> click.Command | None:
        """Load a command."""
        if cmd_name not in self.table:
            return None
        entry = self.table[cmd_name]
        try:
            return _load(entry.where)
        except ModuleNotFoundError as error:
            if not entry.extra:
                raise
            return _not_installed(cmd_name, entry.extra, error.name)

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Find the command that is named, or say which one may have been meant."""
        if args and args[0] not in self.table and not args[0].startswith("-"):
            told = suggestion(nearest(args[0], self.table))
            ctx.fail(f"no such command: {args[0]}" + (f"; {told}" if told else ""))
        return super().resolve_command(ctx, args)

    def shell_complete(self, ctx: click.Context, incomplete: str) -> list[CompletionItem]:
        """Complete a command's name without loading one."""
        named = [
            CompletionItem(name, help=each.summary)
            for name, each in self.table.items()
            if name.startswith(incomplete)
        ]
        return named + click.Command.shell_complete(self, ctx, incomplete)

    def format_commands(
        self,
        ctx: click.Context,  # noqa: ARG002 - click's signature
        formatter: click.HelpFormatter,
    ) -> None:
        """List the commands without loading one."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, each.summary) for name, each in self.table.items()])


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
        raise BadUsage(
            f"{name} is an extra, and {missing} is not installed: "
            f"in a checkout, pip install {install} './cli[{name}]'"
        )

    return tell
