"""Deciding in a real browser."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio
from playwright.async_api import Browser

from imagedrift_sandbox.nats import NatsServer
from support.chromium import LOOKS, PHONE_LIGHT, opened
from support.keyboard import walked
from support.pages import IMAGE, served

pytestmark = pytest.mark.asyncio(loop_scope="module")

DECIDER = "imagedrift_decider"


@pytest_asyncio.fixture(loop_scope="module")
async def deciding(own_dsn: str, nats_server: NatsServer, tmp_path: Path) -> AsyncIterator[str]:
    """The address of a service on whose pages one decides."""
    settings = {
        "IMAGEDRIFT_DASHBOARD_ROLE": DECIDER,
        "IMAGEDRIFT_DASHBOARD_DECIDER_ROLES": DECIDER,
    }
    async with served(own_dsn, nats_server.url, tmp_path, 0, **settings) as url:
        yield url


async def test_a_decision_is_made_and_taken_back_by_keyboard(
    chrome: Browser, deciding: str
) -> None:
    """The forms can be used by everybody, and what they do is seen at once."""
    async with opened(chrome, f"{deciding}{IMAGE}") as shown:
        page = shown.page
        steps = await walked(page)
        assert [each["index"] for each in steps] == list(range(len(steps)))
        assert all(each["outlined"] and each["onScreen"] for each in steps), steps
        await page.get_by_label("Kind").select_option("ignore")
        await page.get_by_label("Reason").first.fill("<b>late</b>")
        await page.get_by_role("button", name="Decide").press("Enter")
        made = page.locator("[data-live=decisions] tr[data-key]").filter(has_text="<b>late</b>")
        number = await made.get_attribute("data-key")
        assert number is not None
        await page.wait_for_load_state()  # leaving sooner would break off its style sheet

        await page.goto(f"{deciding}/decisions")
        await page.get_by_label("Id of the decision").fill(number)
        await page.get_by_role("button", name="Take back").press("Enter")
        await page.locator(f"[data-key='{number}']").get_by_text("undone").wait_for()
        await page.wait_for_load_state()
        assert [each for each in shown.complaints if "/events" not in each] == []


@pytest.mark.parametrize("url", [IMAGE, "/decisions"])
async def test_the_forms_are_for_everybody(chrome: Browser, deciding: str, url: str) -> None:
    """Axe finds nothing in any look, and the forms fit a phone."""
    async with opened(chrome, f"{deciding}{url}") as shown:
        found = {}
        for look in LOOKS:
            await shown.look(look)
            found[look.name] = await shown.findings()
        assert found == {look.name: [] for look in LOOKS}
        await shown.look(PHONE_LIGHT)
        width = await shown.page.evaluate("document.documentElement.scrollWidth")
        assert width == PHONE_LIGHT.width
