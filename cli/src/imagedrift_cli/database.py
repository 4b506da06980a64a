"""Reading the database, as the operator's role would: views only."""

from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager, suppress
from typing import Annotated, Any, Final, Self

import asyncpg
import msgspec
from msgspec import Struct

from imagedrift_cli import queries
from imagedrift_cli.failures import BadUsage, Failure, Unusable
from imagedrift_runtime import database_options, settings, urls
from imagedrift_runtime.settings import Variable

CONNECT_WITHIN_S = 10.0
CLOSE_WITHIN_S = 2.0
PORTION = 2_000
"""Rows in memory at a time."""
WRONG_VALUES: Final = (
    asyncpg.InvalidParameterValueError,
    asyncpg.InvalidDatetimeFormatError,
    asyncpg.DatetimeFieldOverflowError,
    asyncpg.NumericValueOutOfRangeError,
)
"""What the database says of a value that somebody wrote."""
UNWRITABLE: Final = "invalid input for query argument"
"""What the driver says of a value that the database cannot have."""
FAULTS: Final = (
    asyncpg.PostgresError,
    asyncpg.InterfaceError,
    asyncpg.InternalClientError,  # a server that ends a connection right before it is used
    OSError,
)
"""What a server that is away, or refuses, raises in the middle."""
CONNECT_FAULTS: Final = (*FAULTS, TimeoutError, ValueError, OverflowError)
"""What connecting raises; the last two are what the driver says of a number that is none."""
AWAY: Final = (
    asyncpg.InvalidAuthorizationSpecificationError,
    asyncpg.InvalidCatalogNameError,
    asyncpg.CannotConnectNowError,
)
"""What it says to who cannot connect."""


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
            with _told():
                await connection.set_type_codec(
                    "jsonb", encoder=str, decoder=msgspec.json.decode, schema="pg_catalog"
                )
            yield cls(connection)
        finally:
            await _close(connection)

    async def ask(self, sql: str, *arguments: object) -> list[dict[str, Any]]:
        """Run a query: one dictionary per row, in the columns' order. Raises `Unusable`."""
        with _told():
            return [dict(record) for record in await self._connection.fetch(sql, *arguments)]

    async def portions(
        self, sql: str, *arguments: object, size: int | None = PORTION
    ) -> AsyncIterator[Portion]:
        """Run a query within a `snapshot`. Raises `Unusable`.

        A cursor gives portions of this size, one at least. Without a size all rows are one portion:
        only then does PostgreSQL use parallel workers.
        """
        with _told():
            statement = await self._connection.prepare(sql)
            columns = [each.name for each in statement.get_attributes()]
            cursor = await statement.cursor(*arguments) if size else None
            records = await (cursor.fetch(size) if cursor and size else statement.fetch(*arguments))
        yield Portion(columns, list(map(dict, records)))
        while cursor and size and len(records) == size:
            with _told():
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
        with _told():
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
    """Make sure that somebody can connect, before others do who say less of why not."""
    async with Reader.connected(dsn):
        pass


async def _close(connection: "asyncpg.Connection[asyncpg.Record]") -> None:
    """Close, and do not wait long for a server that does not answer any more."""
    try:
        await connection.close(timeout=CLOSE_WITHIN_S)
    except (*FAULTS, TimeoutError):
        connection.terminate()


@contextmanager
def _told() -> Iterator[None]:
    """Tell in a line what the database refuses. Raises `Unusable`, and `BadUsage` for a value."""
    try:
        yield
    except WRONG_VALUES as error:
        raise BadUsage(str(error)) from error
    except OverflowError as error:
        raise Unusable(f"the database has a time that cannot be shown: {error}") from error
    except FAULTS as error:
        if str(error).startswith(UNWRITABLE):
            raise BadUsage(_unwritable(error)) from error
        raise Unusable(_refused(error)) from error


def unusable(dsn: str, error: BaseException) -> Failure:
    """Say in a line what is wrong with a database that something else has worked with."""
    cause = error.__cause__ or error
    if isinstance(cause, (*AWAY, OSError, TimeoutError)):
        return unreached(dsn, cause)
    return Unusable(_refused(cause))


def unreached(dsn: str, error: BaseException) -> Failure:
    """Say in a line why nothing can connect: the address is wrong, or the server is away."""
    where = f"the database of DATABASE_URL ({urls.shown(dsn)})"
    match error:
        case asyncpg.InvalidAuthorizationSpecificationError():  # a wrong password, too
            return Unusable(f"{where} refuses this login: {error}")
        case asyncpg.InvalidCatalogNameError():
            return Unusable(f"{where}: {error}: create it, then run `imagedrift migrate`")
        case asyncpg.TooManyConnectionsError():
            return Unusable(f"{where} takes no connection more: {error}: try again later")
        case asyncpg.TargetServerAttributeNotMatched():
            return Unusable(f"{where}: no server of it is what target_session_attrs asks for")
        case FileNotFoundError():
            told = "no such file: a socket, or that of sslrootcert, sslcert or sslkey"
        case _ if fault := database_options.option_fault(error):
            return BadUsage(database_options.describe_fault(dsn, fault))
        case TimeoutError():
            told = f"no answer within {CONNECT_WITHIN_S:g} s"
        case _:
            told = _flat(error) or type(error).__name__
    return Unusable(f"{where} cannot be reached: {told}: is it started, and the address right?")


def _flat(error: BaseException) -> str:
    """Write in one line what the driver said, which has hints below."""
    return " ".join(str(error).split())


def _unwritable(error: BaseException) -> str:
    if isinstance(error.__cause__, UnicodeEncodeError):
        return f"not UTF-8: {error.__cause__.object[:80]!a}: type it anew"
    return f"no such value: {str(error).partition(': ')[2]}"


def _refused(error: BaseException) -> str:
    match error:
        case (
            asyncpg.UndefinedTableError()
            | asyncpg.UndefinedColumnError()
            | asyncpg.InvalidSchemaNameError()
        ):
            return f"{error}: run `imagedrift migrate` of this version first"
        case asyncpg.InsufficientPrivilegeError():
            return (
                f"the database refused: {error}: its owner gives this login the right by"
                " GRANT imagedrift_operator (to change: imagedrift_writer; to decide:"
                " imagedrift_decider) TO it"
            )
        case asyncpg.QueryCanceledError():
            return f"the database gave up: {error}: narrow the question by filters"
        case asyncpg.InternalClientError():
            return "the database failed: it has ended the connection"
        case asyncpg.ReadOnlySQLTransactionError():
            return (
                f"the database failed: {error}: it is a standby, or has"
                " default_transaction_read_only: set DATABASE_URL to the one that is written to"
            )
        case asyncpg.UntranslatableCharacterError():
            return f"{error}: the database should be made anew with ENCODING 'UTF8'"
        case _:
            return f"the database failed: {_flat(error)}"
