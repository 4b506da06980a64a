"""`imagedrift up`: this machine's Docker Engine, watched against the real registries.

The same embedded servers as the demonstration, without its simulation; what they learn is kept
between runs.
"""

import asyncio
import os
from pathlib import Path
from typing import Annotated

import click
from msgspec import Meta, Struct
from rich.console import Console
from rich.live import Live

from imagedrift_agent.core.survey import SourceFault
from imagedrift_agent.settings import AgentSettings
from imagedrift_agent.wiring import take_inventory
from imagedrift_cli import database, signals, tables
from imagedrift_cli.database import Unusable
from imagedrift_ingest.migrations import WrongSchema
from imagedrift_runtime import registries, settings
from imagedrift_runtime.registries import RegistriesFault
from imagedrift_runtime.settings import SettingsFault, Variable
from imagedrift_runtime.streams import UnsafeChange
from imagedrift_sandbox.child_process import ProgramError
from imagedrift_sandbox.stack import Stack

REFRESH_S = 2.0


class UpSettings(Struct, frozen=True, kw_only=True):
    """What `up` hands on to the services that it starts."""

    docker_config: Annotated[str, Variable("DOCKER_CONFIG", "folder of Docker's config.json")] = ""
    docker_auth_config: Annotated[
        str, Variable("DOCKER_AUTH_CONFIG", "registry credentials as JSON", secret=True)
    ] = ""
    registry_auth_file: Annotated[
        str, Variable("REGISTRY_AUTH_FILE", "path of a further auth.json, as Podman reads it")
    ] = ""
    runtime_dir: Annotated[
        str, Variable("XDG_RUNTIME_DIR", "folder of Podman's containers/auth.json")
    ] = ""
    config_home: Annotated[
        str, Variable("XDG_CONFIG_HOME", "folder of another containers/auth.json")
    ] = ""
    registries: Annotated[str, Variable("IMAGEDRIFT_REGISTRIES", "path of registries.toml")] = ""
    freshness: Annotated[
        int, Meta(ge=1, le=86_400), Variable("IMAGEDRIFT_FRESHNESS", "seconds an answer is good")
    ] = 300
    https_proxy: Annotated[
        str, Variable("HTTPS_PROXY", "for https registries", secret=True, other_name="https_proxy")
    ] = ""
    http_proxy: Annotated[
        str, Variable("HTTP_PROXY", "for http registries", secret=True, other_name="http_proxy")
    ] = ""
    no_proxy: Annotated[
        str, Variable("NO_PROXY", "asked without a proxy", other_name="no_proxy")
    ] = ""
    home: Annotated[str, Variable("HOME", "the user's folder")] = ""
    data_home: Annotated[str, Variable("XDG_DATA_HOME", "the user's folder for data")] = ""


@click.command()
@click.option(
    "--home",
    type=click.Path(file_okay=False, path_type=Path),
    help="Folder for what is kept between runs.",
)
def up(home: Path | None) -> None:
    """Watch this machine's Docker Engine against the real registries, until Ctrl-C."""
    try:
        values, agent = settings.load(UpSettings), settings.load(AgentSettings)
        registries.load(values.registries or None)
        folder = _made(home or _home(values))
        asyncio.run(_watch(folder, values, agent, Console()))
    except SourceFault as fault:
        raise Unusable(f"no engine to watch (DOCKER_HOST names one): {fault}") from fault
    except (SettingsFault, RegistriesFault, ProgramError, WrongSchema, UnsafeChange) as error:
        raise Unusable(str(error)) from error


def _home(values: UpSettings) -> Path:
    """Choose where data is kept. As root PostgreSQL runs as somebody who cannot enter /root."""
    if os.geteuid() == 0:
        return Path("/var/lib/imagedrift/up")
    return Path(values.data_home or Path(values.home) / ".local/share") / "imagedrift"


def _made(home: Path) -> Path:
    try:
        home.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise Unusable(f"--home: {home} cannot be made: {error.strerror}") from error
    return home


async def _watch(home: Path, values: UpSettings, agent: AgentSettings, console: Console) -> None:
    signals.end_as_by_ctrl_c()
    await take_inventory(agent)  # no server is started for an engine that does not answer
    rules = Path(values.registries).read_text() if values.registries else ""
    console.print("starting NATS and PostgreSQL")
    async with Stack.running(
        home, registries_toml=rules, freshness_s=values.freshness, durable=True
    ) as stack:
        with console.status("starting the services"):
            await _start(stack, values, agent)
        stop = signals.asked()
        console.print(f"DATABASE_URL={stack.dsn}")
        console.print("psql on it, or any `imagedrift` command with it set; Ctrl-C stops.")
        await _show(stack.dsn, stop, console)
        console.print("stopping")


async def _start(stack: Stack, values: UpSettings, agent: AgentSettings) -> None:
    await stack.start_ingest()
    await stack.start_resolver(
        DOCKER_CONFIG=values.docker_config or str(Path(values.home) / ".docker"),
        HTTPS_PROXY=values.https_proxy,
        HTTP_PROXY=values.http_proxy,
        NO_PROXY=values.no_proxy,
        DOCKER_AUTH_CONFIG=values.docker_auth_config,
        REGISTRY_AUTH_FILE=values.registry_auth_file,
        XDG_RUNTIME_DIR=values.runtime_dir,
        XDG_CONFIG_HOME=values.config_home or str(Path(values.home) / ".config"),
    )
    await stack.start_agent(
        host="this-host",
        interval_s=60,
        DOCKER_HOST=agent.docker_host,
        DOCKER_TLS_VERIFY=agent.docker_tls_verify,
        DOCKER_CERT_PATH=agent.docker_cert_path,
        XDG_RUNTIME_DIR=agent.runtime_dir,
    )


async def _show(dsn: str, stop: asyncio.Event, console: Console) -> None:
    with Live(console=console, auto_refresh=False) as live:
        while not stop.is_set():
            rows = await database.rows(dsn, "host", {"host": "this-host"})
            keep = ("reference", "verdict", "reason", "running", "checked_at", "error")
            shown = [{column: row[column] for column in keep} for row in rows]
            live.update(tables.as_table(shown, "This machine"), refresh=True)
            try:
                async with asyncio.timeout(REFRESH_S):
                    await stop.wait()
            except TimeoutError:
                continue
