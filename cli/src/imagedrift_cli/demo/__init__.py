"""`imagedrift demo`: the whole system on this machine, shown at work and checked.

Embedded NATS, PostgreSQL and registry; all three services as processes of their own; a simulated
fleet beside this machine's Docker Engine, if one answers.
"""

import asyncio
import sys
import tempfile
from collections.abc import AsyncIterator
from contextlib import suppress
from itertools import cycle, islice
from math import ceil
from pathlib import Path
from typing import Annotated, Any

import asyncpg
import click
from msgspec import Struct
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from imagedrift_agent.core.snapshot import SourceFault
from imagedrift_agent.settings import AgentSettings
from imagedrift_agent.wiring import take_inventory
from imagedrift_cli import signals
from imagedrift_cli.database import Reader
from imagedrift_cli.demo.scenario import Scenario
from imagedrift_cli.failures import BadUsage, Unusable
from imagedrift_ingest.adapters.postgres import migrations
from imagedrift_notifier import commands
from imagedrift_runtime import settings
from imagedrift_runtime.clock import now
from imagedrift_runtime.nats import bus
from imagedrift_runtime.nats.errors import BusError
from imagedrift_runtime.settings import SettingsFault, Variable
from imagedrift_sandbox.child_process import ProgramError
from imagedrift_sandbox.fleet.hosts import Fleet
from imagedrift_sandbox.registry.server import SandboxRegistry
from imagedrift_sandbox.stack import Stack, named_registry

FRESHNESS_S = 8
LOOK_S = 2.0
"""How often it is looked whether everything still runs."""
HEARTBEATS_S = 100.0
"""A host that is heard within this time is never silent."""


class DemoSettings(Struct, frozen=True, kw_only=True):
    """The settings of the demonstration."""

    routes: Annotated[
        str, Variable("IMAGEDRIFT_ROUTES", "path of routes.toml; with --keep, messages are sent")
    ] = ""


WIDTH = 140


@click.command()
@click.option(
    "--hosts",
    type=click.IntRange(1, 100_000),
    default=200,
    show_default=True,
    help="Hosts to simulate.",
)
@click.option("--keep", is_flag=True, help="Stay up afterwards with the pages, until Ctrl-C.")
def demo(hosts: int, keep: bool) -> None:
    """Show the whole system at work on this machine, on embedded servers.

    With IMAGEDRIFT_ROUTES and --keep it sends messages, too.
    """
    try:
        routes = settings.load(DemoSettings).routes if keep else ""
        if routes:
            commands.load(routes)
    except SettingsFault as fault:
        raise BadUsage(str(fault)) from fault
    console = Console()
    if not console.is_terminal:
        console = Console(width=WIDTH)  # for whoever reads the log
    with tempfile.TemporaryDirectory(prefix="imagedrift-demo-") as home:
        Path(home).chmod(0o755)  # PostgreSQL may run as another user
        try:
            failed = asyncio.run(_perform(Path(home), hosts, keep, routes, console))
        except (ProgramError, *migrations.FAULTS) as error:
            raise Unusable(str(error)) from error
        except (BusError, asyncpg.PostgresError, asyncpg.InterfaceError) as error:
            raise Unusable(f"the servers in {home} failed: {error}: has its disk room?") from error
    for check in failed:
        console.print(f"[red]did not hold:[/red] {check}")
    if not failed:
        console.print("[green]Every check of the demonstration held.[/green]")
    sys.exit(1 if failed else 0)


async def _perform(home: Path, hosts: int, keep: bool, routes: str, console: Console) -> list[str]:
    signals.end_as_by_ctrl_c()
    registry = SandboxRegistry()
    with _progress(console) as progress:
        task = progress.add_task("NATS, PostgreSQL and a registry start", total=3)
        async with (
            registry.serving(),
            Stack.running(
                home, registries_toml=named_registry(registry.host), freshness_s=FRESHNESS_S
            ) as stack,
            bus.connect([stack.nats.url], "imagedrift-demo") as connection,
            Reader.connected(stack.dsn) as reader,
        ):
            progress.update(task, completed=3)
            scenario = Scenario(reader, registry, console, FRESHNESS_S)
            await _start_services(stack, progress)
            await scenario.fleet_reports(connection, hosts, progress)
            await scenario.everything_is_answered(hosts, progress)
            await scenario.verdicts_are_told(hosts)
            await scenario.a_tag_moves(hosts, progress)
            await scenario.the_flip_is_told()
            await scenario.what_is_due_is_told()
            await scenario.newer_versions_are_told(hosts, progress)
            progress.stop()
            if keep:
                await _stay(stack, routes, console, _heartbeats(connection, scenario.fleet))
    return scenario.failed


async def _start_services(stack: Stack, progress: Progress) -> None:
    task = progress.add_task("ingest, resolver and agent start", total=3)
    await stack.start_ingest()
    progress.advance(task)
    await stack.start_resolver()
    progress.advance(task)
    if await _engine_answers():
        await stack.start_agent(host="this-host")
    else:
        listed = stack.home / "images.txt"
        listed.write_text("")
        await stack.start_agent(host="this-host", source=f"list:{listed}")
    progress.advance(task)


async def _engine_answers() -> bool:
    try:
        await take_inventory(settings.load(AgentSettings, {}))
    except SourceFault:
        return False
    return True


async def _heartbeats(connection: bus.Bus, fleet: Fleet[Any]) -> AsyncIterator[None]:
    """Send the heartbeats of some hosts at each step, and those of all within `HEARTBEATS_S`."""
    turns = cycle(range(fleet.hosts))
    some = ceil(fleet.hosts * LOOK_S / HEARTBEATS_S)
    while True:
        for number in islice(turns, some):
            await connection.say(*fleet.heartbeat(number, now()))
        yield


async def _stay(
    stack: Stack, routes: str, console: Console, heartbeats: AsyncIterator[None]
) -> None:
    address = await stack.start_dashboard()
    if routes:
        await stack.start_notifier(routes)
    stop = signals.stop_event()
    console.print(f"\npages: {address}\nIMAGEDRIFT_DASHBOARD_URL={address}")
    console.print(f"DATABASE_URL={stack.dsn}\nNATS_URL={stack.nats.url}")
    console.print("Still running; Ctrl-C stops.")
    while not stop.is_set():
        stack.check()
        await anext(heartbeats)
        with suppress(TimeoutError):
            async with asyncio.timeout(LOOK_S):
                await stop.wait()


def _progress(console: Console) -> Progress:
    return Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        console=console,
    )
