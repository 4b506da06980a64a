"""Reading the database, as the operator's role would: views only."""

import json
from collections.abc import Mapping
from typing import Annotated, Any

import asyncpg
import click
from msgspec import Struct

from imagedrift_cli import queries
from imagedrift_runtime import settings
from imagedrift_runtime.settings import Variable

CONNECT_WITHIN_S = 10.0


class DatabaseSettings(Struct, frozen=True, kw_only=True):
    """Where the facts are."""

    database_url: Annotated[
        str, Variable("DATABASE_URL", "PostgreSQL, as postgresql://user@host/database")
    ]


def database_url() -> str:
    """Read DATABASE_URL, or end the command with what is missing (exit 2)."""
    try:
        return settings.load(DatabaseSettings).database_url
    except settings.SettingsFault as fault:
        raise Unusable(str(fault)) from fault


class Unusable(click.ClickException):
    """The command cannot do its work as it was called: exit 2, one line, no traceback."""

    exit_code = 2


async def rows(dsn: str, name: str, values: Mapping[str, object]) -> list[dict[str, Any]]:
    """Run the named statement: one dictionary per row, in the columns' order."""
    text, arguments = queries.positional(queries.statements()[name], values)
    try:
        connection = await asyncpg.connect(dsn, timeout=CONNECT_WITHIN_S)
    except (OSError, TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError) as error:
        raise Unusable(f"the database cannot be reached: {error}") from error
    try:
        await connection.set_type_codec(
            "jsonb", encoder=str, decoder=json.loads, schema="pg_catalog"
        )
        return [dict(record) for record in await connection.fetch(text, *arguments)]
    except asyncpg.UndefinedTableError as error:
        raise Unusable(f"{error}: run `imagedrift migrate` first") from error
    finally:
        await connection.close()
