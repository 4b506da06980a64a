"""Reading the views: all queries of a page in one snapshot, as the role of its viewer.

Rules:
- Every transaction is read-only, whatever the login may do, but that of a viewer's decision.
- Each role has connections of its own: viewers of one never wait for those of another.
- A role with a login of its own is that login. Any other is set at the begin of each transaction;
  a viewer cannot undo that, as no text of a viewer is ever part of a statement.
- A query is planned anew for its values: a plan that suits a filter that leaves much, kept for one
  that leaves nothing, reads the whole fleet.
- What the database refuses becomes a `PageFault` (`database_faults`).
"""

import asyncio
import logging
from collections.abc import AsyncGenerator, AsyncIterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from functools import partial
from typing import Any, Final, TypeAlias, TypeVar, cast

import asyncpg
import msgspec
from anyio import move_on_after
from msgspec import Struct

from imagedrift_dashboard.adapters.database_faults import FAILURES, fault_of
from imagedrift_dashboard.core.page_fault import PageFault
from imagedrift_dashboard.core.query import Query
from imagedrift_runtime import database_options, named_sql
from imagedrift_runtime.connection_pools import close_pools
from imagedrift_runtime.logs import get_logger

log = get_logger()

R = TypeVar("R", bound=Struct)
Pool: TypeAlias = "asyncpg.Pool[asyncpg.Record]"

CONNECTIONS: Final = 8
"""Connections of one role."""
CONNECT_WITHIN_S: Final = 5.0
"""How long a page waits for a connection, whether a new one or one that others use."""
STATEMENT_TIMEOUT_MS: Final = 15_000
SILENT_AFTER_S: Final = 20.0
"""How long a query may go unanswered; the database gives up by itself before that."""
IDLE_TIMEOUT_MS: Final = 60_000
"""How long a reader of a CSV may take for a portion: PostgreSQL keeps all old rows meanwhile."""
PORTION: Final = 2_000
"""Rows of a CSV in memory at a time."""
EXPORTS: Final = 2
"""CSVs written at once: each holds a connection for as long as its reader takes."""
_BEGIN: Final = (
    "SELECT set_config('role', coalesce(nullif($1, ''), 'none'), true),"
    f" set_config('statement_timeout', '{STATEMENT_TIMEOUT_MS}', true),"
    f" set_config('idle_in_transaction_session_timeout', '{IDLE_TIMEOUT_MS}', true),"
    " set_config('plan_cache_mode', 'force_custom_plan', true)"
)


class RolePools:
    """A pool of connections for each role: of the role's own login, or of the one for all."""

    def __init__(self, dsn: str, logins: Mapping[str, str]) -> None:
        self._dsn = dsn
        self._logins = logins
        self._pools: dict[str, Pool] = {}

    async def pool(self, role: str) -> Pool:
        """Return the pool of a role."""
        if role not in self._pools:
            # It connects to nothing yet, so this does not wait, and no other task makes it, too.
            self._pools[role] = await _make_pool(self._logins.get(role, self._dsn))
        return self._pools[role]

    def role_to_set(self, role: str) -> str:
        """Return the role that a transaction has to set; empty for that of the login."""
        return "" if role in self._logins else role

    async def close(self) -> None:
        """Close every connection."""
        await close_pools(*self._pools.values())


class ViewReader:
    """Asks the views of `ops`."""

    def __init__(self, pools: RolePools, within_s: float) -> None:
        self._pools = pools
        self._within_s = within_s
        self._exports = asyncio.Semaphore(EXPORTS)

    async def answer(self, queries: Sequence[Query[Any]], role: str) -> list[list[Any]]:
        """Return the rows of each query's page, all of one moment. Raises `PageFault`."""
        async with self.transaction(role) as connection:
            return [await _rows(connection, each) for each in queries]

    async def every_row(
        self, query: Query[Any], role: str
    ) -> AsyncGenerator[list[asyncpg.Record], None]:
        """Yield all rows of a query in portions, with the columns' names. Raises `PageFault`."""
        sql, arguments = named_sql.positional(query.sql, query.values)
        async with self._export_slot(), self.transaction(role) as connection:
            cursor = await connection.cursor(sql, *arguments)
            while rows := await cursor.fetch(PORTION):
                yield rows

    @asynccontextmanager
    async def _export_slot(self) -> AsyncIterator[None]:
        try:
            async with asyncio.timeout(self._within_s):
                await self._exports.acquire()
        except TimeoutError:
            what = f"{EXPORTS} tables are being exported already"
            raise PageFault(503, what, "Try again when one has ended.") from None
        try:
            yield
        finally:
            self._exports.release()

    @asynccontextmanager
    async def transaction(
        self, role: str, *, readonly: bool = True
    ) -> AsyncIterator[asyncpg.Connection]:
        """Open a transaction as a role, all of one moment. Raises `PageFault`."""
        try:
            async with self._connection(role) as connection, AsyncExitStack() as begun:
                opened = connection.transaction(isolation="repeatable_read", readonly=readonly)
                async with asyncio.timeout(self._within_s):  # it may lead nowhere any more
                    await begun.enter_async_context(opened)
                    await connection.execute(_BEGIN, self._pools.role_to_set(role))
                try:
                    yield connection
                except TimeoutError:  # it leads nowhere any more: nothing is waited for on it
                    connection.terminate()
                    begun.pop_all()
                    raise
                except asyncio.CancelledError as gone:  # with its client: again at each wait
                    with move_on_after(self._within_s, shield=True), suppress(*FAILURES):
                        await begun.__aexit__(type(gone), gone, gone.__traceback__)
                    raise
        except FAILURES as error:
            if fault := fault_of(error):
                raise fault from error
            raise

    @asynccontextmanager
    async def _connection(self, role: str) -> AsyncIterator[asyncpg.Connection]:
        """Take a connection of a role. Raises `PageFault` where all are in use for long."""
        pool = await self._pools.pool(role)
        try:
            taken = await pool.acquire(timeout=self._within_s)
        except TimeoutError:
            if pool.get_size() < CONNECTIONS or pool.get_idle_size():
                raise
            log.warning("pool.exhausted", connections=CONNECTIONS)
            advice = "Try again in a moment; narrow lists by their filters."
            raise PageFault(503, "too many pages are being read", advice) from None
        try:
            yield cast(asyncpg.Connection, taken)
        finally:
            await pool.release(taken)


@asynccontextmanager
async def open_reader(
    dsn: str, within_s: float = CONNECT_WITHIN_S, logins: Mapping[str, str] | None = None
) -> AsyncIterator[ViewReader]:
    """Open the views for the length of the context; a database that is away is met at a query.

    Raises `SettingsFault` where an option of an address is wrong.
    """
    await database_options.check_options(asyncpg.connect, dsn, *(logins or {}).values())
    logging.getLogger("asyncpg.pool").setLevel(logging.CRITICAL)  # tracebacks while it is away
    pools = RolePools(dsn, logins or {})
    try:
        yield ViewReader(pools, within_s)
    finally:
        await pools.close()


async def _make_pool(dsn: str) -> Pool:
    return await asyncpg.create_pool(
        dsn,
        connect=partial(database_options.connected, asyncpg.connect),
        min_size=0,
        max_size=CONNECTIONS,
        timeout=CONNECT_WITHIN_S,
        command_timeout=SILENT_AFTER_S,
        max_inactive_connection_lifetime=60,
        init=_decode_json,
        server_settings={"application_name": "imagedrift-dashboard", "jit": "off"},
    )


async def _decode_json(connection: asyncpg.Connection) -> None:
    await connection.set_type_codec(
        "jsonb", encoder=str, decoder=msgspec.json.decode, schema="pg_catalog"
    )


async def _rows(connection: asyncpg.Connection, query: Query[R]) -> list[R]:
    sql, arguments = named_sql.positional(query.page_sql, query.values)
    records = await connection.fetch(sql, *arguments)
    return [msgspec.convert(dict(record), query.row) for record in records]
