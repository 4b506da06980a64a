"""Access and headers of every response."""

import pytest

from imagedrift_dashboard.core.access import AccessRules, networks
from support.pages import ADDRESSES, Browser, browser

PROXIED = AccessRules(
    proxies=networks(["10.0.0.0/8"]), roles={"sre": "imagedrift_operator", "none": "pg_monitor"}
)


@pytest.mark.parametrize("url", ADDRESSES)
async def test_a_page_keeps_to_itself(pages: Browser, url: str) -> None:
    """A page loads nothing from elsewhere, runs no script of its own text, and is not framed."""
    response = await pages.response(url)

    policy = response.headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    assert "frame-ancestors 'none'" in policy
    assert response.headers["cache-control"] == "no-store"
    html = response.text
    assert "style=" not in html
    assert "://" not in html.replace("http://www.w3.org", "")


@pytest.mark.parametrize(
    ("peer", "headers", "status", "told"),
    [
        ("10.1.2.3", {}, 401, "obody is signed in"),
        ("10.1.2.3", {"x-forwarded-user": "eve"}, 403, "in no group"),
        ("10.1.2.3", {"x-forwarded-user": "eve", "x-forwarded-groups": "x"}, 403, "in no group"),
        ("192.0.2.1", {"x-forwarded-user": "ada", "x-forwarded-groups": "sre"}, 403, "its proxy"),
    ],
)
async def test_nobody_reads_past_the_proxy(
    pages_dsn: str, peer: str, headers: dict[str, str], status: int, told: str
) -> None:
    """Headers count from the proxy alone, and a user without a group has no entry."""
    async with browser(pages_dsn, PROXIED, peer=peer) as pages:
        for url in ("/", "/assets/page.css", "/events", "/nowhere"):
            page = await pages.get(url, status, headers)
            assert told in page.text


async def test_a_name_of_another_machine_is_not_answered(pages: Browser) -> None:
    """Without a proxy, a request by a name that is made to mean this machine is refused."""
    page = await pages.get("/", 421, {"host": "evil.example:8088"})

    assert "is not evil.example" in page.text


async def test_another_site_opens_no_page_in_the_background(pages: Browser) -> None:
    """A request that a page of another site makes is refused before anything is read."""
    other = {"sec-fetch-site": "cross-site", "sec-fetch-mode": "no-cors", "sec-fetch-dest": "image"}
    for url in ("/", "/events", "/hosts?csv=hosts"):
        assert "nother site" in (await pages.get(url, 403, other)).text
