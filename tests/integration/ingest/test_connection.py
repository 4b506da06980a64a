"""Transactions: which failures are tried again, and which are told at once."""

from collections.abc import AsyncIterator

import asyncpg
import pytest

from imagedrift_ingest.adapters.postgres import connection
from imagedrift_ingest.adapters.postgres.connection import Database
from imagedrift_ingest.adapters.postgres.database_errors import DriverMisused
from imagedrift_ingest.errors import DatabaseTooSlow, DataRejected
from imagedrift_runtime.health import Health
from support.storing import database_of


class Tries:
    """Work whose tries are counted."""

    def __init__(self) -> None:
        self.made = 0

    async def sleep(self, connection: asyncpg.Connection) -> None:
        """Take longer than a statement may."""
        self.made += 1
        await connection.execute("SET LOCAL statement_timeout = '20ms'")
        await connection.execute("SELECT pg_sleep(30)")

    async def call_wrongly(self, connection: asyncpg.Connection) -> None:
        """Leave out an argument."""
        self.made += 1
        await connection.fetchval("SELECT $1::integer")

    async def write_nothing(self, connection: asyncpg.Connection) -> None:
        """Write what a constraint forbids."""
        self.made += 1
        await connection.execute("INSERT INTO fleet.hosts (site, host) VALUES ('A', 'B')")

    async def lose_the_connection(self, connection: asyncpg.Connection) -> int:
        """Use a connection that was closed, the first time."""
        self.made += 1
        if self.made == 1:
            connection.terminate()
        return int(await connection.fetchval("SELECT 1"))


@pytest.fixture
async def database(dsn: str) -> AsyncIterator[Database]:
    """A database with one connection."""
    async with connection.pool(dsn, connections=1) as pool:
        yield database_of(pool)


async def test_a_statement_that_times_out_is_told_at_once_and_not_tried_again(
    database: Database,
) -> None:
    """A statement that times out is reported at once, and not repeated."""
    tries = Tries()
    with pytest.raises(DatabaseTooSlow, match="statement timeout"):
        await database.transaction(tries.sleep)
    assert tries.made == 1


async def test_a_statement_that_lacks_an_argument_is_a_defect_and_told_at_once(
    database: Database,
) -> None:
    """A statement with a missing argument is a defect, reported at once."""
    tries = Tries()
    with pytest.raises(DriverMisused, match="expects 1 argument"):
        await database.transaction(tries.call_wrongly)
    assert tries.made == 1
    assert await database.fetch_value("SELECT 1") == 1


async def test_data_that_a_constraint_forbids_is_rejected_at_once(database: Database) -> None:
    """Data that a constraint forbids is rejected without another try."""
    tries = Tries()
    with pytest.raises(DataRejected, match="CheckViolationError"):
        await database.transaction(tries.write_nothing)
    assert tries.made == 1


async def test_a_connection_that_is_lost_in_the_middle_is_replaced(dsn: str) -> None:
    """A transaction runs again on a new connection after a lost one."""
    tries, health = Tries(), Health([connection.PART])
    async with connection.pool(dsn, connections=1) as pool:
        assert await database_of(pool, health).transaction(tries.lose_the_connection) == 1
    assert tries.made == 2
    assert health.is_ready
