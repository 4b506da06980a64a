"""A migrated database server, a NATS server and a fleet of the test's own: free to be harmed."""

import asyncio
from collections.abc import AsyncIterator, Iterator

import pytest

from imagedrift_ingest.adapters.postgres.migrations import migrate
from imagedrift_sandbox.nats import NatsServer
from imagedrift_sandbox.postgres import PostgresServer
from imagedrift_sandbox.postgres_programs import run_program
from support.ingest import Fleet, Operator, fleet
from support.postgres import VERSIONS, programs


@pytest.fixture(scope="module", params=VERSIONS)
def model(request: pytest.FixtureRequest) -> Iterator[PostgresServer]:
    """A server of each PostgreSQL with the schema, stopped: copied faster than made."""
    with PostgresServer.start_sync(binaries=programs(request.param), durable=True) as server:
        asyncio.run(migrate(server.dsn()))
        server.stop_blocking()
        yield server


@pytest.fixture
async def postgres(model: PostgresServer) -> AsyncIterator[PostgresServer]:
    """A database of each PostgreSQL that survives a crash, with the schema."""
    server = PostgresServer(binaries=model.binaries, durable=True)
    copied = [model.home / name for name in ("cluster", "password")]
    # Each file keeps its owner, the only one whom PostgreSQL runs for.
    await asyncio.to_thread(run_program, ["cp", "-a", *copied, server.home])
    async with server.starting():
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
