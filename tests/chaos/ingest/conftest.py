"""A migrated database server, a NATS server and a fleet of the test's own: free to be harmed."""

from collections.abc import AsyncIterator

import pytest

from imagedrift_ingest.migrations import migrate
from imagedrift_sandbox.nats import NatsServer
from imagedrift_sandbox.postgres import PostgresServer
from support.ingest import Fleet, Operator, fleet
from support.postgres import VERSIONS, programs


@pytest.fixture(params=VERSIONS)
async def postgres(request: pytest.FixtureRequest) -> AsyncIterator[PostgresServer]:
    """A database of each PostgreSQL that survives a crash, with the schema."""
    async with PostgresServer.start(binaries=programs(request.param), durable=True) as server:
        await migrate(server.dsn())
        yield server


@pytest.fixture
def operator(postgres: PostgresServer) -> Operator:
    """Somebody who reads the views."""
    return Operator(postgres.dsn())


@pytest.fixture
async def agents(fresh_nats: NatsServer) -> AsyncIterator[Fleet]:
    """A fleet on a server with streams."""
    async with fleet(fresh_nats.url) as made:
        yield made
