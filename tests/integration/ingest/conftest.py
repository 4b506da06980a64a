"""A migrated database of each PostgreSQL, a NATS server and ingest for each test."""

from collections.abc import AsyncIterator, Iterator

import pytest

from imagedrift_sandbox.nats import NatsServer
from imagedrift_sandbox.postgres import PostgresServer
from support.ingest import Fleet, Operator, fleet, ingest
from support.postgres import NEWEST, OLDEST, VERSIONS, fresh_database, migrated

SERVERS = {NEWEST: "postgres_server", OLDEST: "postgres_server_15"}


@pytest.fixture(scope="module", params=VERSIONS)
def server(request: pytest.FixtureRequest) -> PostgresServer:
    """A server of each PostgreSQL: every test that has a database here is run on both."""
    found: PostgresServer = request.getfixturevalue(SERVERS[request.param])
    return found


@pytest.fixture
def database_dsn(server: PostgresServer) -> Iterator[str]:
    """An empty database of the test's own."""
    yield from fresh_database(server)


@pytest.fixture
def dsn(server: PostgresServer) -> Iterator[str]:
    """A migrated database of the test's own."""
    yield from fresh_database(server, migrated(server))


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
