"""The benchmarks. Each starts its own servers, checks its own result, and says what it measured.

A benchmark is a module here, named as its command with `_` for `-`, that defines `command`, a
`click.Command` decorated with `report.as_json`, whose callback ends with `report.finish`.
Progress goes to standard error; with ``--json`` the last line of standard output is one object.
"""

import importlib

import click

NAMES = ("dedup", "lookup", "budget", "ingest", "flip", "queries", "agent", "end-to-end")


class _Benchmarks(click.Group):
    """Loads a benchmark only when it is named: each imports what it needs."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002
        return list(NAMES)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002
        if cmd_name not in NAMES:
            return None
        module = importlib.import_module(f"{__name__}.{cmd_name.replace('-', '_')}")
        command: click.Command = module.command
        return command


@click.group(cls=_Benchmarks)
def bench() -> None:
    """Measure this machine: each benchmark starts its own servers and checks its own result."""
