"""The small fleet of `support.command_fleet`, and the command run on a terminal or in a pipe."""

import asyncio
from collections.abc import Iterator

import pytest

from imagedrift_sandbox.nats import NatsServer
from imagedrift_sandbox.postgres import PostgresServer
from support import command_fleet
from support.command_line import piped
from support.postgres import migrated


@pytest.fixture(scope="session")
def fleet_dsn(postgres_server: PostgresServer) -> Iterator[str]:
    """A database that holds the small fleet: to be read only."""
    dsn = postgres_server.create_database("command", migrated(postgres_server))
    asyncio.run(command_fleet.fill(dsn))
    yield dsn
    postgres_server.drop_database("command")


@pytest.fixture
def new_dsns(postgres_server: PostgresServer) -> Iterator[tuple[str, str]]:
    """The same in two databases that were filled right now, so that no age has grown."""
    names = ("command_new", "command_new_too")
    dsn = postgres_server.create_database(names[0], migrated(postgres_server))
    asyncio.run(command_fleet.fill(dsn))
    yield dsn, postgres_server.create_database(names[1], names[0])
    for name in names:
        postgres_server.drop_database(name)


@pytest.fixture
def own_dsn(postgres_server: PostgresServer, fleet_dsn: str) -> Iterator[str]:
    """A copy of it that a test may change."""
    dsn = postgres_server.create_database("command_changed", fleet_dsn.rpartition("/")[2])
    yield dsn
    postgres_server.drop_database("command_changed")


@pytest.fixture
def nats_url(nats_server: NatsServer) -> str:
    """A NATS server that has what services need, and no service."""
    assert piped("", "streams", NATS_URL=nats_server.url).code == 0
    return nats_server.url
