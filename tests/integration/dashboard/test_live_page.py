"""An open page in a real browser shows what changes, and nothing on it moves."""

import asyncio
import re
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Final

import asyncpg
import httpx
import pytest
import pytest_asyncio
from playwright.async_api import Browser, Page

from imagedrift_runtime.nats import bus, provision
from imagedrift_runtime.nats.bus import Bus
from imagedrift_sandbox.nats import NatsServer
from imagedrift_schemas import codec, subjects
from imagedrift_schemas.v1 import Changed
from support.chromium import PHONE_LIGHT, opened
from support.ingest import NOW
from support.pages import served

pytestmark = pytest.mark.asyncio(loop_scope="module")

REDIS: Final = "docker.io/library/redis:7"
MOVED: Final = """
UPDATE fleet.comparisons SET verdict = 'outdated', reason = 'digest_differs', verdict_since = now()
WHERE ref_id = (SELECT ref_id FROM fleet.image_refs WHERE reference = $1)
"""
CHANGE: Final = Changed(
    registry="docker.io",
    repository="library/redis",
    tag="7",
    platform="linux/amd64",
    image_id="sha256:" + "02" * 32,
    from_verdict="current",
    from_reason="digest_match",
    to_verdict="outdated",
    to_reason="digest_differs",
    changed_at=NOW,
    hosts=4,
    running_hosts=0,
)
TOPS: Final = """
() => [...document.querySelectorAll("[data-key]")]
  .map((row) => [row.dataset.key, row.getBoundingClientRect().top])
"""
CHOSEN: Final = """
() => [
  document.activeElement.textContent,
  getSelection().toString(),
  document.querySelector("details").open,
  document.querySelector(".scroll").scrollLeft,
  scrollY,
]
"""
CHOOSE: Final = f"""
(row) => {{
  const text = document.querySelector(`[data-key='${{row}}'] bdi`).firstChild;
  getSelection().setBaseAndExtent(text, 0, text, "docker.io".length);
  document.querySelector(".scroll").scrollLeft = 60;
  scrollTo(0, 40);
  return ({CHOSEN})();
}}
"""
HIDE: Final = """
(state) => {
  Object.defineProperty(document, "visibilityState", {value: state, configurable: true});
  document.dispatchEvent(new Event("visibilitychange"));
}
"""


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def nats(nats_server: NatsServer) -> AsyncIterator[Bus]:
    """A connection to a server with streams."""
    async with bus.connect([nats_server.url], "test") as connected:
        await provision.ensure(connected)
        yield connected


@pytest_asyncio.fixture(loop_scope="module")
async def changing(
    own_dsn: str, nats_server: NatsServer, nats: Bus, tmp_path: Path
) -> AsyncIterator[str]:
    """The address of the service over a database of the test's own, once it hears of changes."""
    async with served(own_dsn, nats_server.url, tmp_path) as url:
        await _hears(url, nats)
        yield url


async def _hears(url: str, nats: Bus) -> None:
    """Publish until a follower is told: the service may listen a moment after it is ready."""
    async with httpx.AsyncClient() as client, client.stream("GET", f"{url}/events") as events:
        told = asyncio.ensure_future(_read_event(events))
        while not told.done():
            await _publish(nats)
            await asyncio.wait({told}, timeout=0.2)
        await told


async def _read_event(events: httpx.Response) -> None:
    async for line in events.aiter_lines():
        if line.startswith("data: "):
            return
    raise AssertionError("the events ended")


async def _publish(nats: Bus) -> None:
    await nats.publish(subjects.CHANGED_ALL.replace("*", "x"), codec.encode(CHANGE))


async def _move(dsn: str) -> None:
    connection = await asyncpg.connect(dsn)
    try:
        await connection.execute(MOVED, REDIS)
    finally:
        await connection.close()


async def _shown(page: Page, text: str) -> None:
    cell = page.locator(f"[data-key='{REDIS}'] .number").first
    await cell.filter(has_text=text).wait_for()


async def test_a_moved_tag_is_seen_in_its_row_and_no_row_moves(
    chrome: Browser, changing: str, own_dsn: str, nats: Bus
) -> None:
    """Within 2 seconds the row has the new number, where it stood; a link offers the new order.

    What the viewer has chosen, opened, selected and scrolled to stays, too.
    """
    async with opened(chrome, f"{changing}/images", PHONE_LIGHT) as open_page:
        page = open_page.page
        await _shown(page, "0")
        await page.locator("summary").press("Enter")
        await page.locator(f"[data-key='{REDIS}'] a").focus()
        kept = await page.evaluate(CHOOSE, REDIS)
        before = await page.evaluate(TOPS)
        await _move(own_dsn)
        async with asyncio.timeout(2):
            await _publish(nats)
            await _shown(page, "4")

        assert await page.evaluate(TOPS) == before
        assert await page.evaluate(CHOSEN) == kept == [REDIS, "docker.io", True, 60, 40]
        assert f"{REDIS} is outdated on 4 hosts now" in await page.locator("#news").inner_text()
        assert await open_page.findings() == []
        assert open_page.complaints == []
        await page.get_by_role("link", name="There are other rows now: show them").click()
        await page.wait_for_load_state()
        assert (await page.evaluate(TOPS))[0][0] == REDIS


async def test_an_open_page_does_not_pass_for_a_new_one(chrome: Browser, changing: str) -> None:
    """Ages grow while nothing changes, and the page is read again every five minutes."""
    async with opened(chrome, f"{changing}/hosts/fra1/web-1", clock=True) as open_page:
        page = open_page.page
        seen = page.locator("dd").filter(has=page.locator("time")).first
        [before] = re.findall(r"\((\d+) min ago\)", await seen.inner_text())
        await page.clock.run_for("02:01")
        grown = re.compile(rf"\(({int(before) + 2}|{int(before) + 3}) min ago\)")
        await seen.filter(has_text=grown).wait_for()
        async with page.expect_response("**/hosts/fra1/web-1") as again:
            await page.clock.run_for("03:30")
        assert (await again.value).status == 200


async def test_news_can_be_hidden(chrome: Browser, changing: str, nats: Bus) -> None:
    """The news cover the end of the page until they are read or hidden."""
    async with opened(chrome, f"{changing}/images") as open_page:
        await _publish(nats)
        await open_page.page.get_by_role("button", name="Hide").click()
        assert await open_page.page.locator("#news").inner_text() == ""


async def test_a_page_that_is_not_seen_holds_no_connection(chrome: Browser, changing: str) -> None:
    """A hidden tab lets its connection go, and follows again when it is seen."""
    async with opened(chrome, f"{changing}/images") as open_page:
        page = open_page.page
        async with page.expect_event("requestfailed") as closed:
            await page.evaluate(HIDE, "hidden")
        assert (await closed.value).url.endswith("/events")
        async with page.expect_response("**/events") as again:
            await page.evaluate(HIDE, "visible")
        assert (await again.value).status == 200
