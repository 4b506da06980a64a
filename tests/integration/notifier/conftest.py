"""A small fleet with outdated images, streams, and a receiver of messages."""

import asyncio
from collections.abc import AsyncIterator, Iterator

import asyncpg
import pytest

from imagedrift_runtime.nats import bus, provision
from imagedrift_runtime.nats.bus import Bus
from imagedrift_sandbox.nats import NatsServer
from imagedrift_sandbox.postgres import PostgresServer
from support import decided_fleet
from support.notifier import Receiver, receiver
from support.postgres import fresh_database, migrated


async def fill(dsn: str) -> None:
    """Write the small fleet."""
    connection = await asyncpg.connect(dsn)
    try:
        await decided_fleet.fill(connection)
    finally:
        await connection.close()


@pytest.fixture
def dsn(postgres_server: PostgresServer) -> Iterator[str]:
    """A database of the test's own, with three hosts of five outdated images each."""
    for each in fresh_database(postgres_server, migrated(postgres_server)):
        asyncio.run(fill(each))
        yield each


@pytest.fixture
async def connected(fresh_nats: NatsServer) -> AsyncIterator[Bus]:
    """A connection to NATS, where the streams are."""
    async with bus.connect((fresh_nats.url,), "test") as made:
        await provision.ensure(made)
        yield made


@pytest.fixture
async def receiving() -> AsyncIterator[Receiver]:
    """A receiver of messages."""
    async with receiver() as made:
        yield made
