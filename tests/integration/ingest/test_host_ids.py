"""The ids of hosts, kept in memory: void when their rows are gone."""

from collections.abc import AsyncIterator

import pytest

from imagedrift_ingest.adapters.postgres import connection
from imagedrift_ingest.core.heartbeats import ReceivedHeartbeat
from support.stored_heartbeats import HASH, LATER, WEB, Stored


@pytest.fixture
async def stored(dsn: str) -> AsyncIterator[Stored]:
    """The host, with its inventory."""
    async with connection.pool(dsn, connections=1) as pool:
        made = Stored(pool)
        await made.reports()
        yield made


async def test_keys_of_an_emptied_database_are_void(stored: Stored) -> None:
    """Keys that were cached from an emptied database are dropped."""
    await stored.heartbeats.store(LATER, {WEB: ReceivedHeartbeat(HASH, 300, "")})
    await stored.tables.empty()
    await stored.heartbeats.store(LATER, {WEB: ReceivedHeartbeat(HASH, 300, "")})
    await stored.reports()
    await stored.heartbeats.store(LATER, {WEB: ReceivedHeartbeat(HASH, 60, "")})
    assert await stored.pool.fetchval("SELECT last_seen_at FROM ops.hosts") == LATER
