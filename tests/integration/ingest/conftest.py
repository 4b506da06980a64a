"""A migrated database, a NATS server and ingest for each test."""

import asyncio
from collections.abc import AsyncIterator, Iterator

import pytest

from imagedrift_ingest.migrations import migrate
from imagedrift_sandbox.nats import NatsServer
from imagedrift_sandbox.postgres import PostgresServer
from support.ingest import Fleet, Operator, fleet, ingest

TEMPLATE = "migrated"


@pytest.fixture(scope="session")
def migrated(postgres_server: PostgresServer) -> str:
    """The name of a database that is migrated, to be copied by tests."""
    asyncio.run(migrate(postgres_server.create_database(TEMPLATE)))
    return TEMPLATE


@pytest.fixture
def dsn(postgres_server: PostgresServer, migrated: str) -> Iterator[str]:
    """A migrated database of the test's own."""
    import uuid

    name = f"ingest_{uuid.uuid4().hex}"
    yield postgres_server.create_database(name, template=migrated)
    postgres_server.drop_database(name)


@pytest.fixture
def operator(dsn: str) -> Operator:
    """Somebody who reads the views."""
    return Operator(dsn)


@pytest.fixture
async def agents(fresh_nats: NatsServer) -> AsyncIterator[Fleet]:
    """A fleet on a server with streams."""
    async with fleet(fresh_nats.url) as made:
        yield made


@pytest.fixture
async def running(dsn: str, fresh_nats: NatsServer, agents: Fleet) -> AsyncIterator[None]:
    """Ingest, at work."""
    async with ingest(dsn, fresh_nats.url, freshness=2):
        yield
