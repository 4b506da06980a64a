"""Reading the database, as the operator's role would: views only."""

import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Annotated, Any, Self

import asyncpg
import click
from msgspec import Struct

from imagedrift_cli import queries
from imagedrift_runtime import settings, urls
from imagedrift_runtime.settings import Variable

CONNECT_WITHIN_S = 10.0


class DatabaseSettings(Struct, frozen=True, kw_only=True):
    """Where the facts are."""

    database_url: Annotated[
        str,
        Variable(
            "DATABASE_URL",
            "PostgreSQL, as postgresql://user@host/database",
            secret=True,
            check=urls.database_fault,
        ),
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


class Reader:
    """A connection that asks."""

    def __init__(self, connection: "asyncpg.Connection[asyncpg.Record]") -> None:
        self._connection = connection

    @classmethod
    @asynccontextmanager
    async def connected(cls, dsn: str) -> AsyncIterator[Self]:
        """Connect for the length of an `async with`. Raises `Unusable`."""
        try:
            connection = await asyncpg.connect(dsn, timeout=CONNECT_WITHIN_S)
        except (OSError, TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError) as error:
            raise Unusable(f"the database cannot be reached: {error}") from error
        try:
            await connection.set_type_codec(
                "jsonb", encoder=str, decoder=json.loads, schema="pg_catalog"
            )
            yield cls(connection)
        finally:
            await connection.close()

    async def ask(self, sql: str, *arguments: object) -> list[dict[str, Any]]:
        """Run a query: one dictionary per row, in the columns' order. Raises `Unusable`."""
        try:
            return [dict(record) for record in await self._connection.fetch(sql, *arguments)]
        except (asyncpg.UndefinedTableError, asyncpg.InvalidSchemaNameError) as error:
            raise Unusable(f"{error}: run `imagedrift migrate` first") from error
        except (asyncpg.PostgresError, asyncpg.InterfaceError, OSError) as error:
            raise Unusable(f"the database refused: {error}") from error


async def rows(dsn: str, name: str, values: Mapping[str, object]) -> list[dict[str, Any]]:
    """Run the named statement once. Raises `Unusable`."""
    text, arguments = queries.positional(queries.statements()[name], values)
    async with Reader.connected(dsn) as reader:
        return await reader.ask(text, *arguments)
