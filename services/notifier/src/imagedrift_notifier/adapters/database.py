"""Connecting to PostgreSQL, and which of its errors mean "again later".

The notifier never migrates. It needs the views of `ops` and its own schema, `notify`. Where they
are missing, or its login may not use them, the error says what to run.
"""

import logging
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from functools import partial
from typing import Final, cast

import asyncpg
import msgspec

from imagedrift_notifier.errors import DatabaseUnreachable
from imagedrift_notifier.statements import statements
from imagedrift_runtime import database_options, named_sql
from imagedrift_runtime.connection_pools import close_pools
from imagedrift_runtime.health import Health
from imagedrift_runtime.logs import get_logger

log = get_logger()

PART: Final = "postgres"
CONNECTIONS: Final = 4
CONNECT_WITHIN_S: Final = 5.0
STATEMENT_TIMEOUT_MS: Final = 60_000
LOCK_TIMEOUT_MS: Final = 5_000
KEEPALIVE: Final = {
    "tcp_keepalives_idle": "15",
    "tcp_keepalives_interval": "5",
    "tcp_keepalives_count": "3",
}
"""The server ends the session of a machine that vanished after 30 s: it may have claims locked."""
MIGRATE: Final = "run `imagedrift migrate` of this version"
GRANT: Final = (
    "its owner gives this login the right by GRANT imagedrift_notifier TO it, or by GRANT"
    " NAME_notifier after `imagedrift migrate --roles NAME`"
)
AWAY: Final = (
    OSError,
    TimeoutError,
    asyncpg.PostgresConnectionError,
    asyncpg.InterfaceError,
    asyncpg.InternalClientError,
    asyncpg.CannotConnectNowError,
    asyncpg.OperatorInterventionError,
    asyncpg.ReadOnlySQLTransactionError,
    asyncpg.TransactionRollbackError,
    asyncpg.LockNotAvailableError,
    asyncpg.InsufficientResourcesError,
    asyncpg.PostgresSystemError,
    asyncpg.InvalidAuthorizationSpecificationError,
    asyncpg.InvalidCatalogNameError,
)
"""Failures that go away by themselves."""
_OTHER_SCHEMA: Final = (
    asyncpg.UndefinedTableError,
    asyncpg.UndefinedColumnError,
    asyncpg.InvalidSchemaNameError,
)
NotifierConnection = asyncpg.Connection


class NotifierDatabase:
    """Runs the named statements."""

    def __init__(self, pool: "asyncpg.Pool[asyncpg.Record]", health: Health | None) -> None:
        self._pool = pool
        self._health = health

    async def rows(self, name: str, **values: object) -> list[asyncpg.Record]:
        """Run a statement by itself: it is committed when it ends. Raises `DatabaseUnreachable`."""
        async with self._connection() as connection:
            return await rows_on(connection, name, values)

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[NotifierConnection]:
        """Open a transaction for the length of the context. Raises `DatabaseUnreachable`."""
        async with self._connection() as connection, connection.transaction():
            yield connection

    @asynccontextmanager
    async def _connection(self) -> AsyncIterator[NotifierConnection]:
        try:
            async with self._pool.acquire(timeout=CONNECT_WITHIN_S) as connection:
                yield cast(NotifierConnection, connection)
        except (*AWAY, *_OTHER_SCHEMA, asyncpg.InsufficientPrivilegeError) as error:
            if self._health:
                self._health.failed(PART, _name_fault(error))
            raise DatabaseUnreachable(_name_fault(error)) from error
        if self._health:
            self._health.ready(PART)


async def rows_on(
    connection: NotifierConnection, name: str, values: Mapping[str, object]
) -> list[asyncpg.Record]:
    """Run a statement in the transaction of a connection."""
    sql, arguments = named_sql.positional(statements()[name], values)
    found: Sequence[asyncpg.Record] = await connection.fetch(sql, *arguments)
    return list(found)


@asynccontextmanager
async def open_database(dsn: str, health: Health | None = None) -> AsyncIterator[NotifierDatabase]:
    """Open the pool for the length of the context; a statement meets a database that is away.

    Raises `SettingsFault` where an option of the address is wrong.
    """
    await database_options.check_options(asyncpg.connect, dsn)
    logging.getLogger("asyncpg.pool").setLevel(logging.CRITICAL)  # tracebacks while it is away
    pool = await asyncpg.create_pool(
        dsn,
        connect=partial(database_options.connected, asyncpg.connect),
        min_size=0,
        max_size=CONNECTIONS,
        timeout=CONNECT_WITHIN_S,
        command_timeout=2 * STATEMENT_TIMEOUT_MS / 1000,
        max_inactive_connection_lifetime=60,
        init=_encode_json,
        server_settings={
            "application_name": "imagedrift-notifier",
            "jit": "off",
            # A plan that suits hosts of one place, kept for hosts of none, reads the whole fleet.
            "plan_cache_mode": "force_custom_plan",
            "statement_timeout": str(STATEMENT_TIMEOUT_MS),
            "lock_timeout": str(LOCK_TIMEOUT_MS),
            "default_transaction_read_only": "off",
            **KEEPALIVE,
        },
    )
    try:
        yield NotifierDatabase(pool, health)
    finally:
        await close_pools(pool)


async def _encode_json(connection: NotifierConnection) -> None:
    await connection.set_type_codec(
        "jsonb",
        encoder=lambda value: msgspec.json.encode(value).decode(),
        decoder=msgspec.json.decode,
        schema="pg_catalog",
    )


def _name_fault(error: Exception) -> str:
    """Name the fault and its remedy."""
    match error:
        case asyncpg.InsufficientPrivilegeError():
            return f"the database refused: {error}: {GRANT}"
        case _ if isinstance(error, _OTHER_SCHEMA):
            return f"{error}: {MIGRATE}"
        case _:
            return f"{type(error).__name__}: {error}"
