"""The pages in a real browser."""

import pytest
from playwright.async_api import Browser

from support.chromium import LOOKS, PHONE_LIGHT, Look, opened
from support.pages import ADDRESSES, IMAGE

CUT_OFF = """
(width) => [...document.querySelectorAll("main *")]
  .filter((each) => each.checkVisibility() && each.getBoundingClientRect().right > width)
  .map((each) => each.outerHTML)
"""
PAPER = Look("light", 718, 1000)
"""A sheet of A4 between its margins."""
PAGE_WIDTH = "Math.max(document.documentElement.scrollWidth, document.body.scrollWidth)"

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest.mark.parametrize("url", ADDRESSES)
async def test_a_page_opens_without_a_complaint(chrome: Browser, site: str, url: str) -> None:
    """No script fails, no request fails, and nothing is against the Content-Security-Policy."""
    async with opened(chrome, f"{site}{url}") as open_page:
        assert await open_page.page.title() != ""
        assert open_page.complaints == []


async def test_a_violation_would_be_seen(chrome: Browser, site: str) -> None:
    """A style in the page's own text is against the policy, and the browser says so."""
    async with opened(chrome, f"{site}/") as open_page:
        async with open_page.page.expect_console_message():
            await open_page.page.evaluate("document.body.setAttribute('style', 'color: red')")
        assert any("Content Security Policy" in each for each in open_page.complaints)


@pytest.mark.parametrize("url", [*ADDRESSES, "/nowhere"])
async def test_axe_finds_nothing(chrome: Browser, site: str, url: str) -> None:
    """A page can be read by everybody, light and dark, wide and on a phone."""
    async with opened(chrome, f"{site}{url}", awaited="**/page.js") as open_page:
        found = {}
        for look in LOOKS:
            await open_page.look(look)
            found[look.name] = await open_page.findings()
        assert found == {look.name: [] for look in LOOKS}


@pytest.mark.parametrize("url", ADDRESSES)
async def test_a_page_fits_a_phone(chrome: Browser, site: str, url: str) -> None:
    """A page is as wide as the screen: tables scroll by themselves."""
    async with opened(chrome, f"{site}{url}", PHONE_LIGHT) as open_page:
        assert await open_page.page.evaluate(PAGE_WIDTH) == PHONE_LIGHT.width


@pytest.mark.parametrize("url", ["/due", "/versions", IMAGE])
async def test_a_printed_page_has_every_column(chrome: Browser, site: str, url: str) -> None:
    """On paper nothing scrolls: each table fits the sheet, and there are no buttons."""
    async with opened(chrome, f"{site}{url}", PAPER) as open_page:
        await open_page.page.emulate_media(media="print")
        assert await open_page.page.evaluate(CUT_OFF, PAPER.width) == []
        assert await open_page.page.locator("button:visible").count() == 0


async def test_a_page_is_left_and_found_again_where_it_was(chrome: Browser, site: str) -> None:
    """The back button leads to the rows that were read, and the page follows the changes again."""
    async with opened(chrome, f"{site}/hosts/fra1/web-1", PHONE_LIGHT) as open_page:
        page = open_page.page
        await page.evaluate("scrollTo(0, 500)")
        async with page.expect_response("**/events"):
            await page.evaluate("location.href = '/due'")
        async with page.expect_response("**/events"):
            await page.go_back()
        await page.wait_for_function("scrollY === 500")
        assert page.url == f"{site}/hosts/fra1/web-1"


async def test_a_page_is_read_without_scripts(chrome: Browser, site: str) -> None:
    """Without JavaScript times have their zone, filters work, and no button is idle."""
    context = await chrome.new_context(java_script_enabled=False)
    try:
        page = await context.new_page()
        await page.goto(f"{site}/hosts")
        await page.get_by_label("Site").fill("ber1")
        await page.get_by_role("button", name="Filter").click()
        assert await page.locator("tbody tr").count() == 1
        assert await page.get_by_role("button", name="Copy").count() == 0
        await page.goto(f"{site}/hosts/ber1/web-1")
        assert (await page.locator("time").first.inner_text()).endswith(" UTC")
    finally:
        await context.close()
