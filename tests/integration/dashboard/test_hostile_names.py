"""Names that hosts give do nothing in a real browser but show."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Final

import asyncpg
import pytest
import pytest_asyncio
from playwright.async_api import Browser

from imagedrift_sandbox.nats import NatsServer
from support.chromium import PHONE_LIGHT, opened
from support.pages import ADDRESSES, served

pytestmark = pytest.mark.asyncio(loop_scope="module")

MARKUP: Final = "<script>alert(1)</script>"
QUOTES: Final = "\"'><img src=x onerror=alert(1)>"
TURNED: Final = "\u202e\u2066gnp.exe\u2069\u200f אבג"
LONG: Final = "x" * 10_000
NAMES: Final = (MARKUP, QUOTES, TURNED, LONG)
WRITE: Final = (
    "UPDATE fleet.hosts AS h SET hostname = n.name, labels = jsonb_build_object('env', n.name,"
    " n.name, n.name), skipped = jsonb_build_object(n.name, 1)"
    " FROM named AS n WHERE n.host_id = h.host_id",
    "UPDATE fleet.host_state AS s SET degraded = n.name"
    " FROM named AS n WHERE n.host_id = s.host_id",
    "UPDATE fleet.host_images AS i SET running = 1, containers = ARRAY[n.name, n.name || '2']"
    " FROM named AS n WHERE n.host_id = i.host_id",
    "UPDATE fleet.answers SET error = ($1::text[])[1]",
)
NAMED: Final = """
WITH named AS (
  SELECT h.host_id, t.name
  FROM (SELECT host_id, row_number() OVER (ORDER BY host_id) AS n FROM fleet.hosts) AS h
  JOIN unnest($1::text[]) WITH ORDINALITY AS t (name, n) ON t.n = h.n
)
"""
PARTS: Final = """
() => ({
  scripts: document.scripts.length,
  images: document.images.length,
  width: Math.max(document.documentElement.scrollWidth, document.body.scrollWidth),
})
"""


@pytest_asyncio.fixture(loop_scope="module")
async def hostile(own_dsn: str, nats_server: NatsServer, tmp_path: Path) -> AsyncIterator[str]:
    """The address of the service over a fleet whose every host has a hostile name."""
    connection = await asyncpg.connect(own_dsn)
    try:
        for statement in WRITE:
            await connection.execute(NAMED + statement, list(NAMES))
    finally:
        await connection.close()
    async with served(own_dsn, nats_server.url, tmp_path) as url:
        yield url


async def test_hostile_names_do_nothing_but_show(chrome: Browser, hostile: str) -> None:
    """Markup, quotes, marks that turn the writing and 10,000 characters run and break nothing."""
    for url in ADDRESSES:
        async with opened(chrome, f"{hostile}{url}", PHONE_LIGHT) as open_page:
            parts = await open_page.page.evaluate(PARTS)
            assert parts == {"scripts": 1, "images": 0, "width": PHONE_LIGHT.width}, url
            assert open_page.complaints == [], url


async def test_hostile_names_are_shown_as_they_are(chrome: Browser, hostile: str) -> None:
    """The list of hosts shows the texts themselves, and axe-core finds nothing in it."""
    async with opened(chrome, f"{hostile}/hosts") as open_page:
        text = await open_page.page.locator("main").inner_text()
        assert MARKUP in text
        assert QUOTES in text
        assert "\u202e" not in text
        assert await open_page.findings() == []
