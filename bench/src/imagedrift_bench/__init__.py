"""The benchmarks. Each starts its own servers, checks its own result, and prints its figures.

A benchmark is a module here that defines `command`, a `click.Command` decorated with
`report.as_json`, whose callback ends with `report.finish`. Progress goes to standard error; with
``--json`` the last line of standard output is one object.
"""

from typing import Final

import click

from imagedrift_cli.lazy import Command, LazyGroup

COMMANDS: Final = {
    "dedup": Command(f"{__name__}.dedup:command", "Requests that a fleet costs its registries."),
    "lookup": Command(f"{__name__}.lookup:command", "References resolved per second."),
    "budget": Command(f"{__name__}.budget:command", "A registry that allows only so much."),
    "ingest": Command(f"{__name__}.ingest:command", "From NATS to committed rows."),
    "flip": Command(f"{__name__}.flip:command", "One tag of the whole fleet moves."),
    "queries": Command(f"{__name__}.queries:command", "The operators' questions of a large fleet."),
    "pages": Command(f"{__name__}.pages:command", "Web pages of a large fleet, and their viewers."),
    "versions": Command(f"{__name__}.versions:command", "Newer versions of what a fleet pins."),
    "bad-host": Command(f"{__name__}.bad_host:command", "What one bad host costs the others."),
    "year": Command(f"{__name__}.year:command", "Rows that a year leaves, with maintenance."),
    "agent": Command(f"{__name__}.agent:command", "What an agent costs its host."),
    "end-to-end": Command(f"{__name__}.end_to_end:command", "From a change to its row."),
}


@click.command(cls=LazyGroup, table=COMMANDS)
def bench() -> None:
    """Measure this machine: each benchmark starts its own servers and checks its own result."""
