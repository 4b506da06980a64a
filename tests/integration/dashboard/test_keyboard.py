"""Every page can be used without a pointer."""

import pytest
from playwright.async_api import Browser

from support.chromium import WIDE_LIGHT, opened
from support.keyboard import walked
from support.pages import IMAGE, WHY

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest.mark.parametrize("url", ["/", "/places", "/hosts", WHY, IMAGE, "/registries"])
async def test_tab_reaches_everything_in_order_and_is_seen(
    chrome: Browser, site: str, url: str
) -> None:
    """Tab goes through links, fields and tables as they stand, and each is seen to be chosen."""
    async with opened(chrome, f"{site}{url}", WIDE_LIGHT) as open_page:
        steps = await walked(open_page.page)

    assert [each["index"] for each in steps] == list(range(len(steps)))
    assert len(steps) > 10
    assert all(each["outlined"] and each["onScreen"] for each in steps), steps


async def test_the_first_tab_offers_to_skip_the_navigation(chrome: Browser, site: str) -> None:
    """The first link leads past the navigation, to the content."""
    async with opened(chrome, f"{site}/hosts", WIDE_LIGHT) as open_page:
        page = open_page.page
        await page.keyboard.press("Tab")
        assert await page.evaluate("document.activeElement.textContent") == "Skip to the content"
        await page.keyboard.press("Enter")
        await page.keyboard.press("Tab")
        assert await page.evaluate("document.activeElement.closest('main') !== null")


async def test_a_query_is_shown_and_copied_by_keys(chrome: Browser, site: str) -> None:
    """Enter opens the query of a table, and its button copies what is shown."""
    granted = ["clipboard-read", "clipboard-write"]
    async with opened(chrome, f"{site}/hosts", WIDE_LIGHT, permissions=granted) as open_page:
        page = open_page.page
        await page.locator("summary").focus()
        await page.keyboard.press("Enter")
        copy = page.get_by_role("button", name="Copy")
        await copy.press("Enter")
        await page.get_by_role("button", name="Copied").wait_for()
        copied = await page.evaluate("navigator.clipboard.readText()")
        assert copied == await page.locator("pre").text_content()
        assert "FROM ops.hosts" in copied
