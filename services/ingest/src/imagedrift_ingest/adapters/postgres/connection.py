"""Connecting to PostgreSQL: the pool, and transactions that are tried again.

What is handled here, once:
- A server that is away, restarting, or was demoted to a replica is waited for, not died of:
  `database_errors` tells such an error from others.
- A pool that still holds connections to a demoted primary would fail for ever: `expire` drops them.
- A password may change while we run, in the file that holds it: it is read for each connection.
- Behind a pooler in transaction mode prepared statements may not live: `statement_cache_size=0`.
"""

import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any, Concatenate, Final, ParamSpec, TypeVar, cast

import asyncpg

from imagedrift_ingest.adapters.postgres import array_types
from imagedrift_ingest.adapters.postgres.database_errors import (
    REFUSALS,
    RETRYABLE,
    ConnectionLost,
    DriverMisused,
)
from imagedrift_ingest.errors import DatabaseTooSlow, DatabaseUnavailable, DataRejected
from imagedrift_runtime import database_options, metrics
from imagedrift_runtime.clock import Clock
from imagedrift_runtime.connection_pools import close_pools
from imagedrift_runtime.health import Health
from imagedrift_runtime.logs import get_logger

log = get_logger()

T = TypeVar("T")
P = ParamSpec("P")

PART: Final = "postgres"
STATEMENT_TIMEOUT_MS: Final = 30_000
LOCK_TIMEOUT_MS: Final = 5_000
ATTEMPTS: Final = 4
SESSION: Final = {
    "application_name": "imagedrift-ingest",
    "statement_timeout": str(STATEMENT_TIMEOUT_MS),
    "lock_timeout": str(LOCK_TIMEOUT_MS),
    "idle_in_transaction_session_timeout": str(STATEMENT_TIMEOUT_MS),
    "jit": "off",
    # A test reads the generic plan of every statement; one made for the arrays at hand may read
    # whole tables for a large batch, and costs its planning each time.
    "plan_cache_mode": "force_generic_plan",
}
"""The settings of each session."""


@asynccontextmanager
async def database(
    dsn: str, *, connections: int, health: Health, clock: Clock
) -> AsyncIterator["Database"]:
    """Open a database for a command that an operator runs, and close it at the end."""
    async with pool(dsn, connections=connections) as made:
        yield Database(made, health, clock)


@asynccontextmanager
async def pool(
    dsn: str,
    *,
    connections: int,
    statement_cache_size: int = 100,
    read_again: Callable[[], str] = lambda: "",
) -> AsyncIterator["asyncpg.Pool[asyncpg.Record]"]:
    """Open a pool, and close it at the end. A server that is away is met at the first query.

    Each connection is made to what `read_again` tells, where it tells something. Raises
    `SettingsFault` where an option of the address is wrong.
    """

    async def connect(dsn: str, **options: Any) -> asyncpg.Connection:
        return await database_options.connected(asyncpg.connect, read_again() or dsn, **options)

    await database_options.check_options(asyncpg.connect, dsn)
    logging.getLogger("asyncpg.pool").setLevel(logging.CRITICAL)  # tracebacks while it is away
    made = await asyncpg.create_pool(
        dsn,
        connect=cast(Any, connect),
        min_size=0,
        max_size=connections,
        statement_cache_size=statement_cache_size,
        max_inactive_connection_lifetime=60,
        timeout=10,
        command_timeout=60,
        init=array_types.look_up,
        reset=_keep,
        server_settings=SESSION,
    )
    try:
        yield made
    finally:
        await close_pools(made)


async def _keep(_: object) -> None:
    """Leave a connection as it is: nothing here changes its session, and asking costs a trip."""


class Database:
    """The pool with its retries: what every adapter of ours works through."""

    def __init__(self, pool: "asyncpg.Pool[asyncpg.Record]", health: Health, clock: Clock) -> None:
        self.pool = pool
        self._health = health
        self._clock = clock

    async def transaction(
        self,
        work: Callable[Concatenate[asyncpg.Connection, P], Awaitable[T]],
        /,
        *arguments: P.args,
        **named: P.kwargs,
    ) -> T:
        """Run `work` with a connection in a transaction, again when the failure goes away.

        Raises `DatabaseUnavailable` after a few attempts, `DatabaseTooSlow` at once,
        `DataRejected` when the data is refused, `DriverMisused` for a defect, and
        `asyncpg.ForeignKeyViolationError` when a row that was referred to is gone.
        """
        return await self._with_retries(_in_transaction, work, *arguments, **named)

    async def fetch(self, sql: str, *arguments: object) -> list[asyncpg.Record]:
        """Run one statement, which needs no transaction, and return its rows.

        Raises as `transaction` does.
        """
        return await self._with_retries(_fetch, sql, *arguments)

    async def _with_retries(
        self,
        work: Callable[Concatenate[asyncpg.Connection, P], Awaitable[T]],
        /,
        *arguments: P.args,
        **named: P.kwargs,
    ) -> T:
        for attempt in range(1, ATTEMPTS + 1):
            try:
                result = await self._attempt(work, *arguments, **named)
            except asyncpg.ForeignKeyViolationError:
                raise
            except REFUSALS as error:
                raise DataRejected(f"{type(error).__name__}: {error}") from error
            except RETRYABLE as error:
                await self.note(error)
                if isinstance(error, asyncpg.QueryCanceledError):  # the time-out of a statement
                    raise DatabaseTooSlow(f"{type(error).__name__}: {error}") from error
                if attempt == ATTEMPTS:
                    raise DatabaseUnavailable(f"{type(error).__name__}: {error}") from error
                await self._clock.sleep(self._clock.random() * 0.05 * 4**attempt)
            else:
                self.works()
                return result
        raise AssertionError("unreachable: the last attempt returns or raises")

    async def _attempt(
        self,
        work: Callable[Concatenate[asyncpg.Connection, P], Awaitable[T]],
        /,
        *arguments: P.args,
        **named: P.kwargs,
    ) -> T:
        """Run `work` once. Tells a lost connection from a wrong use of one."""
        async with self.pool.acquire() as taken:
            connection = cast(asyncpg.Connection, taken)
            try:
                return await work(connection, *arguments, **named)
            except asyncpg.InterfaceError as error:
                if connection.is_closed():
                    raise ConnectionLost(str(error)) from error
                raise DriverMisused(str(error)) from error

    async def fetch_value(self, sql: str, *arguments: object) -> Any:
        """Run one statement, and return the first value of its first row."""
        return await self._with_retries(_fetch_value, sql, *arguments)

    async def execute(self, sql: str, *arguments: object) -> int:
        """Run one statement, and return how many rows it wrote."""
        return await self._with_retries(_execute, sql, *arguments)

    async def note(self, error: BaseException) -> None:
        """Show a failure in health, and drop connections to a server that became a replica."""
        reason = f"{type(error).__name__}: {error}"
        log.warning("database.failed", error=reason)
        metrics.database_failures.add(kind=type(error).__name__)
        self._health.failed(PART, reason)
        if isinstance(error, asyncpg.ReadOnlySQLTransactionError):
            await self.pool.expire_connections()

    def works(self) -> None:
        """Show that the database works."""
        self._health.ready(PART)


def arguments(rows: list[tuple[Any, ...]], width: int) -> tuple[list[Any], ...]:
    """Turn rows into one array per column, as `unnest` takes them.

    A column in which no row has a value is empty, as `unnest` fills it up: the driver looks into
    each element whether it is an array itself.
    """
    if not rows:
        return tuple([] for _ in range(width))
    return tuple(_values(column) for column in zip(*rows, strict=True))


def _values(column: tuple[Any, ...]) -> list[Any]:
    return [] if all(value is None for value in column) else list(column)


async def _in_transaction(
    connection: asyncpg.Connection,
    work: Callable[Concatenate[asyncpg.Connection, P], Awaitable[T]],
    /,
    *arguments: P.args,
    **named: P.kwargs,
) -> T:
    async with connection.transaction():
        return await work(connection, *arguments, **named)


async def _fetch(
    connection: asyncpg.Connection, sql: str, *arguments: object
) -> list[asyncpg.Record]:
    return list(await connection.fetch(sql, *arguments))


async def _fetch_value(connection: asyncpg.Connection, sql: str, *arguments: object) -> Any:
    return await connection.fetchval(sql, *arguments)


async def _execute(connection: asyncpg.Connection, sql: str, *arguments: object) -> int:
    status = await connection.execute(sql, *arguments)
    return int(status.rpartition(" ")[2])
