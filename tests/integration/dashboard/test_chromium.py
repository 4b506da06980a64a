"""The pages in a real browser."""

import pytest
from playwright.async_api import Browser

from support.chromium import LOOKS, PHONE_LIGHT, opened
from support.pages import ADDRESSES

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
