"""`imagedrift up`: this machine's Docker Engine, watched against the real registries.

The same embedded servers as the demonstration, without its simulation; what they learn is kept
between runs.
"""

import asyncio
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Annotated, Any, NamedTuple

import asyncpg
import click
from msgspec import Meta, Struct
from rich.console import Console

from imagedrift_agent.core.snapshot import SourceFault
from imagedrift_agent.settings import AgentSettings
from imagedrift_agent.wiring import take_inventory
from imagedrift_cli import cells, database, signals, up_home
from imagedrift_cli.failures import BadUsage, Unusable
from imagedrift_cli.up_home import Ports
from imagedrift_ingest.adapters.postgres import migrations
from imagedrift_resolver.settings import ResolverSettings
from imagedrift_runtime import settings
from imagedrift_runtime.nats.errors import BusError
from imagedrift_runtime.nats.provision import UnsafeChange
from imagedrift_runtime.registries import operator_file
from imagedrift_runtime.registries.operator_file import RegistriesFault
from imagedrift_runtime.settings import SettingsFault, Variable
from imagedrift_sandbox.child_process import ProgramError
from imagedrift_sandbox.free_port import free_port
from imagedrift_sandbox.stack import Stack

REFRESH_S = 2.0


class UpSettings(Struct, frozen=True, kw_only=True):
    """The settings of `up` itself, beside those of the services that it starts."""

    routes: Annotated[
        str, Variable("IMAGEDRIFT_ROUTES", "path of routes.toml; with it, messages are sent")
    ] = ""
    freshness: Annotated[
        int, Meta(ge=1, le=86_400), Variable("IMAGEDRIFT_FRESHNESS", "seconds an answer is good")
    ] = 300
    home: Annotated[str, Variable("HOME", "the user's folder")] = ""
    data_home: Annotated[str, Variable("XDG_DATA_HOME", "the user's folder for data")] = ""


class Services(NamedTuple):
    """The settings that are passed on to services."""

    agent: AgentSettings
    resolver: ResolverSettings


@click.command()
@click.option(
    "--home",
    type=up_home.HomePath(),
    help="Folder for what is kept between runs.",
)
@click.option("--port", type=click.IntRange(1, 65535), help="PostgreSQL's port.")
@click.option("--nats-port", type=click.IntRange(1, 65535), help="NATS' port.")
@click.option("--page-port", type=click.IntRange(1, 65535), help="The pages' port.")
def up(home: Path | None, port: int | None, nats_port: int | None, page_port: int | None) -> None:
    """Watch this machine's Docker Engine against the real registries, until Ctrl-C.

    Prints the address of its pages, and each verdict as it comes or changes. With IMAGEDRIFT_ROUTES
    it sends messages, too. `imagedrift down` ends it from elsewhere.

    All that it learns is kept in one folder, the ports too: ~/.local/share/imagedrift, for root
    /var/lib/imagedrift/up, or that of --home. Nothing is written elsewhere: remove the folder, and
    nothing is left.
    """
    try:
        values = settings.load(UpSettings)
        services = Services(settings.load(AgentSettings), settings.load(ResolverSettings))
        operator_file.load(services.resolver.registries or None)
        if values.routes:
            _check_routes(values.routes)
        folder = home or up_home.default_home(values.home, values.data_home)
        up_home.prepare(folder)
        with up_home.locked(folder):
            ports = up_home.ports(folder, Ports(port or 0, nats_port or 0, page_port or 0))
            asyncio.run(_watch(folder, ports, values, services, Console()))
    except SourceFault as fault:
        raise Unusable(f"no engine to watch (DOCKER_HOST names one): {fault}") from fault
    except (SettingsFault, RegistriesFault) as error:
        raise BadUsage(str(error)) from error
    except (ProgramError, *migrations.FAULTS, UnsafeChange) as error:
        raise Unusable(str(error)) from error
    except (BusError, asyncpg.PostgresError, asyncpg.InterfaceError) as error:
        raise Unusable(f"the servers in {folder} failed: {error}: has its disk room?") from error


def _check_routes(path: str) -> None:
    """Read the file of routes before a server is started. Raises `SettingsFault`."""
    from imagedrift_notifier import commands  # noqa: PLC0415 - `down` does without the notifier

    commands.load(path)


async def _watch(
    home: Path, ports: Ports, values: UpSettings, services: Services, console: Console
) -> None:
    signals.end_as_by_ctrl_c()
    await take_inventory(services.agent)  # no server is started for an engine that does not answer
    rules_file = services.resolver.registries
    rules = Path(rules_file).read_text() if rules_file else ""
    console.print("starting NATS and PostgreSQL")
    async with Stack.running(
        home,
        registries_toml=rules,
        freshness_s=values.freshness,
        durable=True,
        postgres_port=ports.postgres,
        nats_port=ports.nats,
    ) as stack:
        page_port = ports.pages or free_port()
        up_home.remember(home, Ports(stack.postgres.port, stack.nats.port, page_port))
        with console.status("starting the services"):
            address = await _start(stack, services, values.routes, page_port)
        stop = signals.stop_event()
        click.echo(
            f"pages: {address}\nIMAGEDRIFT_DASHBOARD_URL={address}\n"
            f"DATABASE_URL={stack.dsn}\nNATS_URL={stack.nats.url}"
        )
        click.echo("psql on it, or any `imagedrift` command with these set; Ctrl-C stops.")
        await _show(stack, stop)
        console.print("stopping")


async def _start(stack: Stack, services: Services, routes: str, page_port: int) -> str:
    """Start every service, and return the address of the pages."""
    agent, resolver = services
    proxies = {
        "HTTPS_PROXY": resolver.https_proxy,
        "HTTP_PROXY": resolver.http_proxy,
        "NO_PROXY": resolver.no_proxy,
    }
    await stack.start_ingest()
    await stack.start_resolver(
        **proxies,
        DOCKER_CONFIG=str(resolver.docker_folder),
        DOCKER_AUTH_CONFIG=resolver.docker_auth_config,
        REGISTRY_AUTH_FILE=resolver.registry_auth_file,
        XDG_RUNTIME_DIR=resolver.runtime_dir,
        XDG_CONFIG_HOME=str(resolver.config_folder),
    )
    await stack.start_agent(
        host="this-host",
        interval_s=60,
        IMAGEDRIFT_SOURCE=agent.source,
        DOCKER_HOST=agent.docker_host,
        DOCKER_TLS_VERIFY=agent.docker_tls_verify,
        DOCKER_CERT_PATH=agent.docker_cert_path,
        XDG_RUNTIME_DIR=agent.runtime_dir,
    )
    address = await stack.start_dashboard(page_port)
    if routes:
        await stack.start_notifier(routes, **proxies)
    return address


async def _show(stack: Stack, stop: asyncio.Event) -> None:
    """Print each verdict as it comes or changes: a line each, which scrolls on any terminal.

    A verdict that nobody looks after any more is none: what has ended ends it all.
    """
    known: dict[tuple[str, str], str] = {}
    while not stop.is_set():
        for row in await _verdicts(stack):
            key, told = (row["reference"], row["image_id"]), _line(row)
            if known.get(key) != told:
                known[key] = told
                click.echo(told)
        with suppress(TimeoutError):
            async with asyncio.timeout(REFRESH_S):
                await stop.wait()


async def _verdicts(stack: Stack) -> list[dict[str, Any]]:
    """Read all verdicts. Raises `ProgramDied`, and `Unusable` for a database that still runs."""
    stack.check()
    try:
        return await database.rows(stack.dsn, "this_host", {})
    except Unusable:
        stack.check()
        raise


def _line(row: Mapping[str, Any]) -> str:
    parts = [f"{row['verdict']:<9}", f"{row['reason']:<16}", row["reference"], row["error"] or ""]
    return cells.exact("  ".join(parts).rstrip())
