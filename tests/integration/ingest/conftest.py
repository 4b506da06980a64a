"""A migrated database of each PostgreSQL, a NATS server and ingest for each test."""

import asyncio
import uuid
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager

import pytest

from imagedrift_ingest.adapters.postgres.migrations import migrate
from imagedrift_sandbox.nats import NatsServer
from imagedrift_sandbox.postgres import PostgresServer
from support.ingest import NGINX, REDIS, Fleet, Operator, answer, fleet, image, ingest
from support.logins import ours, run
from support.plans import filled as filled_database
from support.postgres import NEWEST, OLDEST, VERSIONS, fresh_database, migrated, shared_server

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


@pytest.fixture(scope="module")
def fleet_dsn(server: PostgresServer) -> Iterator[str]:
    """A database with a fleet large enough for indexes to pay."""
    for dsn in fresh_database(server, migrated(server)):
        asyncio.run(filled_database(dsn))
        yield dsn


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


@pytest.fixture
async def filled(dsn: str, fresh_nats: NatsServer, agents: Fleet, operator: Operator) -> None:
    """Two hosts, one of them with an outdated image, and their facts stored; ingest has ended."""
    async with ingest(dsn, fresh_nats.url):
        await agents.has("web-1", image(running=1), image(REDIS), place="dc1/rack-1/web-1")
        await agents.has("web-2", image(), place="dc1/rack-2/web-2")
        await operator.sees(NGINX, host="web-2")
        await agents.answers(answer(version=2))
        await agents.answers(answer(REDIS))
        await operator.sees(REDIS, verdict="current")
        await operator.sees(NGINX, verdict="outdated", host="web-1")


@pytest.fixture(scope="module", params=VERSIONS)
def cluster(request: pytest.FixtureRequest) -> Iterator[PostgresServer]:
    """A cluster of this file's own: roles belong to all of it."""
    with shared_server(request.param) as server:
        yield server


@pytest.fixture(scope="module")
def bare_schema(cluster: PostgresServer) -> str:
    """The name of a database with the schema, to be copied, in a cluster without roles of ours."""
    dsn = cluster.create_database("bare_schema")

    async def make() -> None:
        await migrate(dsn)
        roles = await ours(cluster)
        await run(dsn, *(f"DROP OWNED BY {role}; DROP ROLE {role}" for role in roles))

    asyncio.run(make())
    return "bare_schema"


@pytest.fixture
async def empty(cluster: PostgresServer) -> AsyncIterator[str]:
    """A database of the test's own, in a cluster without roles of ours."""
    async with _own(cluster) as dsn:
        yield dsn


@pytest.fixture
async def schema(cluster: PostgresServer, bare_schema: str) -> AsyncIterator[str]:
    """A database of the test's own with the schema, in a cluster without roles of ours."""
    async with _own(cluster, bare_schema) as dsn:
        yield dsn


@asynccontextmanager
async def _own(cluster: PostgresServer, template: str | None = None) -> AsyncIterator[str]:
    name = f"test_{uuid.uuid4().hex}"
    yield cluster.create_database(name, template)
    cluster.drop_database(name)
    await run(cluster.dsn("postgres"), *(f"DROP ROLE {role}" for role in await ours(cluster)))
