"""The commands that prepare servers: `migrate` and `streams`. Each is safe to run twice at once."""

import asyncio
import re
from typing import Annotated, Literal

import asyncpg
import click
from msgspec import Meta, Struct

from imagedrift_cli.database import database_url, reach
from imagedrift_cli.database_failures import unusable
from imagedrift_cli.failures import BadUsage, RightsMissing, Unusable
from imagedrift_ingest.adapters.postgres import migrations, roles
from imagedrift_runtime import settings
from imagedrift_runtime.common_settings import CommonSettings
from imagedrift_runtime.nats import bus, provision
from imagedrift_runtime.nats.errors import BusError
from imagedrift_runtime.nats.topology import STREAM_MIB
from imagedrift_runtime.registries import operator_file
from imagedrift_runtime.settings import Variable

StreamName = Literal[
    "DRIFT_INVENTORY",
    "DRIFT_LOOKUP",
    "DRIFT_DEAD",
    "DRIFT_CHANGED",
    "KV_drift_digests",
    "KV_drift_tags",
    "KV_drift_registries",
]


class StreamSettings(CommonSettings, Struct, frozen=True, kw_only=True):
    """Where NATS is, which registries have a lane of their own, and how much streams hold."""

    registries: Annotated[
        str,
        Variable(
            "IMAGEDRIFT_REGISTRIES", "path of registries.toml: its lanes get consumers", file=""
        ),
    ] = ""
    stream_mib: Annotated[
        dict[StreamName, Annotated[int, Meta(ge=1)]],
        Variable(
            "IMAGEDRIFT_STREAM_MIB",
            "most MiB of a stream, as DRIFT_INVENTORY=8192,KV_drift_digests=4096; by default "
            + ", ".join(f"{name}={size}" for name, size in STREAM_MIB.items()),
        ),
    ] = {}


def _role_names(_context: click.Context, _option: click.Parameter, value: str | None) -> str:
    if value is not None and not roles.NAME.fullmatch(value):
        raise click.BadParameter("lower-case letters, digits and _, a letter first, 40 at most")
    return value or ""


@click.command()
@click.option(
    "--roles",
    "role_names",
    callback=_role_names,
    metavar="NAME",
    help="Call the roles NAME_operator and NAME_writer from now on, where another database of the"
    " same cluster has the default names.",
)
def migrate(role_names: str) -> None:
    """Bring the database (DATABASE_URL) to the newest schema, and its roles to their rights.

    What this login may not do is printed as SQL: exit 2 where ingest or readers cannot work
    without it.
    """
    try:
        applied, advice = asyncio.run(_migrate(database_url(), role_names))
    except migrations.RightsIncomplete as error:
        raise RightsMissing(str(error)) from error
    except migrations.FAULTS as error:
        raise Unusable(str(error)) from error
    except asyncpg.InsufficientPrivilegeError as error:
        raise Unusable(
            f"the database refused: {error}: run it as the owner of the database"
        ) from error
    except (OSError, TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError) as error:
        raise unusable(database_url(), error) from error
    for name in applied:
        click.echo(f"applied {name}")
    click.echo("the schema is up to date")
    if advice:
        click.echo("a superuser should run this, so that no reader can do harm:", err=True)
    for line in advice:
        click.echo(f"  {line}", err=True)


async def _migrate(url: str, role_names: str) -> tuple[list[str], list[str]]:
    """Migrate and return the applied migrations, and advice."""
    await reach(url)
    applied = await migrations.migrate(url, role_names=role_names)
    return applied, await migrations.advice(url)


@click.command(name="streams")
@click.option(
    "--replicas",
    type=click.IntRange(1, 5),
    default=1,
    show_default=True,
    help="Servers that keep each stream; 3 in production.",
)
def make_streams(replicas: int) -> None:
    """Create or update streams, buckets and consumers on NATS (NATS_URL).

    A change that could lose messages is refused, and shown.
    """
    try:
        values = settings.load(StreamSettings)
        lanes = operator_file.load(values.registries or None).lanes()
        for step in asyncio.run(_ensure(values, lanes, replicas)):
            click.echo(f"{step.action:<9} {step.kind} {step.name}")
            for line in step.diff:
                click.echo(f"          {line}")
    except (settings.SettingsFault, operator_file.RegistriesFault) as error:
        raise BadUsage(str(error)) from error
    except BusError as error:
        raise Unusable(_remedy_for(error, replicas)) from error
    except provision.UnsafeChange as error:
        raise Unusable(f"refused, as messages could be lost: {error}") from error


def _remedy_for(error: Exception, replicas: int) -> str:
    """Describe the fault of NATS, with the remedy where a stream has too few servers."""
    text = f"NATS (NATS_URL): {error}"
    if replicas > 1 and re.search("replicas|no suitable peers|insufficient resources", str(error)):
        text += f": --replicas {replicas} needs a cluster of {replicas} servers; see"
        text += " docs/deployment.md, or give --replicas 1"
    return text


async def _ensure(
    values: StreamSettings, lanes: dict[str, int], replicas: int
) -> list[provision.ProvisionStep]:
    async with bus.connect(values.nats_url, "imagedrift-streams", **values.nats) as connection:
        return await provision.ensure(
            connection, lanes=lanes, replicas=replicas, stream_mib=dict(values.stream_mib.items())
        )
