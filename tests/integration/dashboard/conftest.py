"""The small fleet of `support.command_fleet`, counted once, and its pages."""

import asyncio
from collections.abc import AsyncIterator, Iterator

import asyncpg
import pytest
import pytest_asyncio
from playwright.async_api import Browser as Chrome

from imagedrift_ingest.adapters.postgres.migrations import migrate
from imagedrift_sandbox.nats import NatsServer
from imagedrift_sandbox.postgres import PostgresServer
from support import command_fleet
from support.chromium import chromium
from support.pages import Browser, browser, served
from support.storing import count_fleet

TREND = """
INSERT INTO fleet.trend (taken_at, hosts, silent_hosts, images, current, outdated, pinned, local,
                         missing, unknown, stale)
SELECT date_bin('5 minutes', now(), 'epoch') - make_interval(days => d),
       4, 1, 10, 4, 4 + d, 0, 1, 0, 1, 0
FROM generate_series(0, 3) AS d
"""


async def fill(dsn: str) -> None:
    """Write the fleet, with a trend of three days."""
    await migrate(dsn)
    await command_fleet.fill(dsn)
    await count_fleet(dsn)
    connection = await asyncpg.connect(dsn)
    try:
        await connection.execute(TREND)
    finally:
        await connection.close()


@pytest.fixture(scope="session")
def pages_dsn(postgres_server: PostgresServer) -> Iterator[str]:
    """A database that holds the small fleet: to be read only."""
    dsn = postgres_server.create_database("pages")
    asyncio.run(fill(dsn))
    yield dsn
    postgres_server.drop_database("pages")


@pytest.fixture
def own_dsn(postgres_server: PostgresServer, pages_dsn: str) -> Iterator[str]:
    """A copy of it that a test may change."""
    dsn = postgres_server.create_database("pages_changed", pages_dsn.rpartition("/")[2])
    yield dsn
    postgres_server.drop_database("pages_changed")


@pytest.fixture
async def pages(pages_dsn: str) -> AsyncIterator[Browser]:
    """The pages of the fleet, as the operators' role reads it."""
    async with browser(pages_dsn) as reading:
        yield reading


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def chrome() -> AsyncIterator[Chrome]:
    """A real browser, for the tests of a module."""
    async with chromium() as running:
        yield running


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def site(
    chrome: Chrome,
    pages_dsn: str,
    nats_server: NatsServer,
    tmp_path_factory: pytest.TempPathFactory,
) -> AsyncIterator[str]:
    """The address of the service, which shows the small fleet to the browser."""
    async with served(pages_dsn, nats_server.url, tmp_path_factory.mktemp("site")) as url:
        yield url
