"""Real servers for the tests, started on demand: one per session and worker, NATS per module.

They are started outside any event loop, so that every test's own loop can use them.
"""

import signal
from collections.abc import AsyncIterator, Iterator

import pytest
import structlog

from imagedrift_sandbox.nats import NatsServer
from imagedrift_sandbox.postgres import PostgresServer
from imagedrift_sandbox.registry import SandboxRegistry
from support.postgres import NEWEST, OLDEST, fresh_database, shared_server

pytest_plugins = ["support.engine", "support.podman"]


def pytest_configure() -> None:
    """Hear Ctrl-C, and let what tests start hear it, also where the suite is a background job."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(scope="module")
def nats_server() -> Iterator[NatsServer]:
    """A NATS server with JetStream, shared by the tests of a module: use names of your own."""
    with NatsServer.start_sync() as server:
        yield server


@pytest.fixture(autouse=True)
def logs_as_they_come() -> Iterator[None]:
    """A test's changes of the logs, a command's level for one, are undone for the next test."""
    yield
    structlog.reset_defaults()
    structlog.contextvars.clear_contextvars()


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[PostgresServer]:
    """The embedded PostgreSQL 18, shared by the session: see `database_dsn`."""
    with shared_server(NEWEST) as server:
        yield server


@pytest.fixture(scope="session")
def postgres_server_15() -> Iterator[PostgresServer]:
    """Debian's PostgreSQL 15, the oldest version that we support."""
    with shared_server(OLDEST) as server:
        yield server


@pytest.fixture
def database_dsn(postgres_server: PostgresServer) -> Iterator[str]:
    """A fresh database of the embedded server, dropped after the test."""
    yield from fresh_database(postgres_server)


@pytest.fixture
def database_dsn_15(postgres_server_15: PostgresServer) -> Iterator[str]:
    """A fresh database of PostgreSQL 15, dropped after the test."""
    yield from fresh_database(postgres_server_15)


@pytest.fixture
def fresh_nats() -> Iterator[NatsServer]:
    """A NATS server of the test's own: empty, and free to be killed."""
    with NatsServer.start_sync() as server:
        yield server


@pytest.fixture
async def registry() -> AsyncIterator[SandboxRegistry]:
    """An empty registry in the test's own loop: push, misbehave, count."""
    async with SandboxRegistry().serving() as serving:
        yield serving
