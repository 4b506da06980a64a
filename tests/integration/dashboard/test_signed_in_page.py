"""Signing in and out in a real browser."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import pytest
import pytest_asyncio
from playwright.async_api import Browser, Page

from imagedrift_dashboard.core.sessions import COOKIE
from imagedrift_sandbox.free_port import free_port
from imagedrift_sandbox.nats import NatsServer
from support.chromium import LOOKS, OpenPage, opened
from support.keyboard import walked
from support.oidc_provider import CLIENT_ID, CLIENT_SECRET, OidcProvider, oidc_provider
from support.pages import OPERATOR, served

pytestmark = pytest.mark.asyncio(loop_scope="module")

PROVIDER_PAGE: Final = "**/authorize?**"


@dataclass(frozen=True)
class SignInService:
    """The running service, and its provider."""

    url: str
    provider: OidcProvider
    log: Path

    async def sign_in(self, page: Page, user: str) -> None:
        """Choose a user on the provider's page."""
        await page.get_by_role("link", name=user, exact=True).click()
        await page.wait_for_url(f"{self.url}/**")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def service(
    pages_dsn: str, nats_server: NatsServer, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[SignInService]:
    """The service as a process, where viewers sign in at a provider."""
    folder, port = tmp_path_factory.mktemp("service"), free_port()
    url = f"http://127.0.0.1:{port}"
    (folder / "secret").write_text(CLIENT_SECRET)
    async with oidc_provider(url) as provider:
        settings = {
            "IMAGEDRIFT_DASHBOARD_URL": url,
            "IMAGEDRIFT_DASHBOARD_OIDC_ISSUER": provider.url,
            "IMAGEDRIFT_DASHBOARD_OIDC_CLIENT_ID": CLIENT_ID,
            "IMAGEDRIFT_DASHBOARD_OIDC_CLIENT_SECRET_FILE": str(folder / "secret"),
            "IMAGEDRIFT_DASHBOARD_ROLES": f"sre={OPERATOR}",
        }
        async with served(pages_dsn, nats_server.url, folder, port, **settings):
            yield SignInService(url, provider, folder / "log")


async def test_a_viewer_signs_in_and_out(chrome: Browser, service: SignInService) -> None:
    """The way of a viewer: to the provider, to the page, and out, while another tab is told."""
    async with opened(chrome, f"{service.url}/hosts?site=ber1", awaited=PROVIDER_PAGE) as shown:
        page = shown.page
        await service.sign_in(page, "ada")
        assert page.url == f"{service.url}/hosts?site=ber1"
        assert "Signed in as ada" in await page.locator("header").inner_text()
        [cookie] = await page.context.cookies()
        assert (cookie["name"], cookie["secure"], cookie["httpOnly"]) == (COOKIE, True, True)
        assert cookie["sameSite"] == "Lax"
        assert await page.evaluate("document.cookie") == ""

        other = await page.context.new_page()
        async with other.expect_response("**/events"):
            await other.goto(f"{service.url}/")
        await page.get_by_role("button", name="Sign out").press("Enter")
        await page.get_by_role("heading", name="Signed out").wait_for()
        assert await page.context.cookies() == []
        await other.get_by_role("link", name="Changes are no longer told here").wait_for()

        await page.get_by_role("link", name="sign out there, too").click()
        await page.get_by_role("heading", name="Signed out at the provider").wait_for()
        async with page.expect_response(PROVIDER_PAGE):
            await page.goto(f"{service.url}/hosts")
    assert [each for each in shown.complaints if "Content Security" in each] == []


async def test_who_is_in_no_group_is_told_so(chrome: Browser, service: SignInService) -> None:
    """A user of the provider without a group gets a page that says so, and no cookie."""
    async with opened(chrome, f"{service.url}/", awaited=PROVIDER_PAGE) as shown:
        await service.sign_in(shown.page, "eve")
        assert "is in no group that may read" in await shown.page.locator("main").inner_text()
        assert await shown.page.context.cookies() == []
        assert await _findings(shown) == {look.name: [] for look in LOOKS}


async def test_the_pages_of_the_sign_in_are_for_everybody(
    chrome: Browser, service: SignInService
) -> None:
    """Axe finds nothing on them, and all of them can be used by keyboard."""
    async with opened(chrome, f"{service.url}/hosts", awaited=PROVIDER_PAGE) as shown:
        await service.sign_in(shown.page, "ada")
        assert await _findings(shown) == {look.name: [] for look in LOOKS}
        await shown.look(LOOKS[0])
        steps = await walked(shown.page)
        assert [each["index"] for each in steps] == list(range(len(steps)))
        await shown.page.get_by_role("button", name="Sign out").press("Enter")
        await shown.page.get_by_role("heading", name="Signed out").wait_for()
        assert await _findings(shown) == {look.name: [] for look in LOOKS}
        steps = await walked(shown.page)
        assert [each["index"] for each in steps] == list(range(len(steps)))
        assert all(each["outlined"] and each["onScreen"] for each in steps), steps


async def test_no_secret_is_in_the_log(chrome: Browser, service: SignInService) -> None:
    """Neither the client's secret, nor a code, nor a cookie is written anywhere."""
    async with opened(chrome, f"{service.url}/", awaited=PROVIDER_PAGE) as shown:
        await service.sign_in(shown.page, "ada")
        [cookie] = await shown.page.context.cookies()
    log = service.log.read_text()
    assert "session.begun" in log
    secrets = [CLIENT_SECRET, cookie["value"], *service.provider.requests]
    assert [each for each in secrets if each in log] == []


async def _findings(shown: OpenPage) -> dict[str, list[str]]:
    found = {}
    for look in LOOKS:
        await shown.look(look)
        found[look.name] = await shown.findings()
    return found
