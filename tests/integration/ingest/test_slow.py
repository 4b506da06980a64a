"""A database that takes longer over a statement than it has."""

import asyncpg
import pytest

from imagedrift_ingest.adapters.postgres import connect
from imagedrift_ingest.errors import DatabaseTooSlow
from support.storing import database_of


async def test_a_statement_that_times_out_is_told_at_once_and_not_tried_again(dsn: str) -> None:
    """Who waited for thirty seconds gets less to do, and not the same three times more."""
    tries = 0

    async def work(connection: asyncpg.Connection) -> None:
        nonlocal tries
        tries += 1
        await connection.execute("SET LOCAL statement_timeout = '20ms'")
        await connection.execute("SELECT pg_sleep(30)")

    async with connect.pool(dsn, connections=1) as pool:
        with pytest.raises(DatabaseTooSlow, match="statement timeout"):
            await database_of(pool).transaction(work)

    assert tries == 1
