"""Reading the database, as the operator's role would: views only."""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress
from typing import Annotated, Any, Self

import asyncpg
import msgspec
from msgspec import Struct

from imagedrift_cli import queries
from imagedrift_cli.database_failures import (
    CONNECT_FAULTS,
    CONNECT_WITHIN_S,
    FAULTS,
    told_in_a_line,
    unreached,
)
from imagedrift_cli.failures import BadUsage
from imagedrift_runtime import settings, urls
from imagedrift_runtime.settings import Variable

CLOSE_WITHIN_S = 2.0
PORTION = 2_000
"""Rows in memory at a time."""


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


class Portion(Struct, frozen=True):
    """Some rows that a query gave, and its columns, which are there without a row, too."""

    columns: list[str]
    rows: list[dict[str, Any]]


def database_url() -> str:
    """Read DATABASE_URL. Raises `BadUsage`."""
    try:
        return settings.load(DatabaseSettings).database_url
    except settings.SettingsFault as fault:
        raise BadUsage(str(fault)) from fault


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
        except CONNECT_FAULTS as error:
            raise unreached(dsn, error) from error
        try:
            with told_in_a_line():
                await connection.set_type_codec(
                    "jsonb", encoder=str, decoder=msgspec.json.decode, schema="pg_catalog"
                )
            yield cls(connection)
        finally:
            await _close(connection)

    async def ask(self, sql: str, *arguments: object) -> list[dict[str, Any]]:
        """Run a query: one dictionary per row, in the columns' order. Raises `Unusable`."""
        with told_in_a_line():
            return [dict(record) for record in await self._connection.fetch(sql, *arguments)]

    async def portions(
        self, sql: str, *arguments: object, size: int | None = PORTION
    ) -> AsyncIterator[Portion]:
        """Run a query within a `snapshot`. Raises `Unusable`.

        A cursor gives portions of this size, one at least. Without a size all rows are one portion:
        only then does PostgreSQL use parallel workers.
        """
        with told_in_a_line():
            statement = await self._connection.prepare(sql)
            columns = [each.name for each in statement.get_attributes()]
            cursor = await statement.cursor(*arguments) if size else None
            records = await (cursor.fetch(size) if cursor and size else statement.fetch(*arguments))
        yield Portion(columns, list(map(dict, records)))
        while cursor and size and len(records) == size:
            with told_in_a_line():
                records = await cursor.fetch(size)
            if records:
                yield Portion(columns, list(map(dict, records)))

    async def named(self, statement: str, /, **values: object) -> list[dict[str, Any]]:
        """Run the named statement, which has no clauses. Raises `Unusable`."""
        text, arguments = queries.positional(queries.statements()[statement], values)
        return await self.ask(text, *arguments)

    async def composed(
        self, statement: str, values: Mapping[str, object], **clauses: str
    ) -> list[dict[str, Any]]:
        """Run the named statement with its clauses filled in. Raises `Unusable`."""
        text, arguments = queries.positional(queries.composed(statement, **clauses), values)
        return await self.ask(text, *arguments)

    @asynccontextmanager
    async def snapshot(self) -> AsyncIterator[None]:
        """Let all queries see one moment of the database, for the length of an `async with`."""
        transaction = self._connection.transaction(isolation="repeatable_read", readonly=True)
        with told_in_a_line():
            await transaction.start()
        try:
            yield
        finally:
            with suppress(*FAULTS):  # a connection that is lost has told so before
                await transaction.rollback()


async def rows(dsn: str, name: str, values: Mapping[str, object]) -> list[dict[str, Any]]:
    """Run the named statement once. Raises `Unusable`."""
    async with Reader.connected(dsn) as reader:
        return await reader.named(name, **values)


async def reach(dsn: str) -> None:
    """Make sure that this login can connect: other programs would name no cause."""
    async with Reader.connected(dsn):
        pass


async def _close(connection: "asyncpg.Connection[asyncpg.Record]") -> None:
    """Close, and do not wait long for a server that does not answer any more."""
    try:
        await connection.close(timeout=CLOSE_WITHIN_S)
    except (*FAULTS, TimeoutError):
        connection.terminate()
