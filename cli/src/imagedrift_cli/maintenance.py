"""The commands that an operator runs on a working system: `maintain` and `rebuild`."""

import asyncio
import logging
from typing import Annotated

import asyncpg
import click
from msgspec import Meta, Struct

from imagedrift_cli.confirmation import confirm
from imagedrift_cli.database import database_url, reach
from imagedrift_cli.database_failures import CONNECT_WITHIN_S, unusable
from imagedrift_cli.failures import BadUsage, Unusable
from imagedrift_ingest import commands
from imagedrift_ingest.adapters.postgres import migrations, schema_check
from imagedrift_ingest.core.retention import MOST_DAYS, Retention
from imagedrift_ingest.errors import DatabaseUnavailable
from imagedrift_ingest.usecases.maintain import StepsFailed
from imagedrift_runtime import logs, settings
from imagedrift_runtime.common_settings import CommonSettings
from imagedrift_runtime.nats import bus
from imagedrift_runtime.nats.errors import NoBus
from imagedrift_runtime.settings import Variable


class RetentionSettings(Struct, frozen=True, kw_only=True):
    """How long things are kept: the variables that ingest reads, too."""

    retire_days: Annotated[
        int,
        Meta(ge=1, le=MOST_DAYS),
        Variable("IMAGEDRIFT_RETIRE_DAYS", "days until a silent host is given up"),
    ] = Retention().retire_after
    history_days: Annotated[
        int,
        Meta(ge=1, le=MOST_DAYS),
        Variable("IMAGEDRIFT_HISTORY_DAYS", "days for which history is kept"),
    ] = Retention().history


@click.command()
def maintain() -> None:
    """Do all maintenance of the database (DATABASE_URL) now.

    Ingest does it in the background, too; running both is harmless.
    """
    try:
        values, dsn = settings.load(RetentionSettings), database_url()
        keep = Retention(retire_after=values.retire_days, history=values.history_days)
        result = asyncio.run(_maintain(dsn, keep))
    except settings.SettingsFault as fault:
        raise BadUsage(str(fault)) from fault
    except StepsFailed as error:
        raise Unusable(f"{error}: the log of PostgreSQL says why") from error
    except migrations.FAULTS as error:
        raise Unusable(str(error)) from error
    except (DatabaseUnavailable, asyncpg.PostgresError, OSError) as error:
        raise unusable(dsn, error) from error
    for name, count in result.done.items():
        click.echo(f"{count:>8} {name.replace('_', ' ')}")


async def _maintain(dsn: str, keep: Retention) -> commands.MaintenanceResult:
    """Do all maintenance, on a database of this schema alone."""
    logs.configure(
        "imagedrift", "console", least=logging.CRITICAL
    )  # a step's failure is told below
    await reach(dsn)
    connection = await asyncpg.connect(dsn, timeout=CONNECT_WITHIN_S)
    try:
        await schema_check.check(connection)
    finally:
        await connection.close()
    return await commands.maintain(dsn, keep)


@click.command()
@click.option("--empty", is_flag=True, help="Forget every fact and all history before.")
@click.option("--yes", is_flag=True, help="Do not ask.")
def rebuild(empty: bool, yes: bool) -> None:
    """Fill the database (DATABASE_URL) from the streams of NATS (NATS_URL).

    For a database that was lost or restored from a copy. History is not on NATS: with --empty,
    or in a new database, it starts anew.
    """
    try:
        dsn, values = database_url(), settings.load(CommonSettings)
        if not yes:
            confirm("Read everything that NATS holds into the database again?", "rebuild")
        streams = asyncio.run(_rebuild(dsn, values, empty))
    except settings.SettingsFault as fault:
        raise BadUsage(str(fault)) from fault
    except NoBus as error:
        raise Unusable(f"NATS (NATS_URL): {error}") from error
    except migrations.FAULTS as error:
        raise Unusable(str(error)) from error
    except (DatabaseUnavailable, OSError) as error:
        raise unusable(dsn, error) from error
    for name in streams:
        click.echo(f"read again: {name}")
    click.echo("ingest fills the database while it runs; `imagedrift status` shows how far it is")


async def _rebuild(dsn: str, values: CommonSettings, empty: bool) -> list[str]:
    await reach(dsn)
    async with bus.connect(values.nats_url, "imagedrift-cli", **values.nats) as nats:
        return list(await commands.rebuild(dsn, nats, empty=empty))
