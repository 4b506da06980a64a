"""A request that gets no page gets one that says why, what to do, and the right status."""

import asyncpg
import pytest

from imagedrift_dashboard.core.access import AccessRules, networks
from imagedrift_sandbox.free_port import free_port
from support.pages import Browser, browser

PROXIED = AccessRules(
    proxies=networks(["10.0.0.0/8"]), roles={"sre": "imagedrift_operator", "none": "pg_monitor"}
)


@pytest.mark.parametrize(
    ("url", "status", "told"),
    [
        ("/nowhere", 404, "no such page"),
        ("/hosts/fra1/none", 404, "no host fra1/none"),
        ("/hosts/fra1/web-1/why?reference=docker.io/library/none:1", 404, "has no image"),
        ("/hosts/fra1/web-1/why", 400, "image is missing"),
        ("/hosts?colour=red", 400, "no filter colour"),
        ("/hosts?site=a&site=b", 400, "given twice"),
        ("/hosts?state=tired", 400, "tate cannot be tired"),
        ("/hosts?label=prod", 400, "not key=value"),
        ("/hosts?after=x", 400, "no such position"),
        ("/hosts?after=WyJhIl0", 400, "no such position"),
        ("/hosts?site=%00", 400, "cannot be shown"),
        ("/hosts?site=" + "a" * 1001, 400, "too long"),
        ("/hosts/fra1/web-1?csv=secrets", 404, "no table secrets"),
        ("/hosts/fra1/web-1?after=WyJmIiwiYSIsImIiLCJ4Il0x", 400, "no such position"),
        ("/hosts/fra1/web-1?after=WyJuZWl0aGVyIiwiYSIsImIiLCJ4Il0", 400, "cannot read a value"),
        ("/assets/../settings.py", 404, "no such page"),
        ("/assets/settings.py", 404, "no such page"),
    ],
)
async def test_a_wrong_address_is_told(pages: Browser, url: str, status: int, told: str) -> None:
    """A page names the fault of its address, under its status."""
    page = await pages.get(url, status)

    assert told in page.text
    assert "To the fleet" in page.text


async def test_nothing_is_written_by_a_page(pages: Browser) -> None:
    """Another method than GET is refused."""
    response = await pages.client.post("/hosts")

    assert response.status_code == 405
    assert "read-only" in response.text


async def test_a_database_that_is_away_is_told() -> None:
    """A page says that the database cannot be reached, with status 503, and shows no address."""
    async with browser(f"postgresql://someone:secret@127.0.0.1:{free_port()}/x") as pages:
        page = await pages.get("/", 503)

    assert "cannot be reached" in page.text
    assert "secret" not in page.text


async def test_a_database_without_the_schema_is_told(database_dsn: str) -> None:
    """A page says that the database has another schema."""
    async with browser(database_dsn, AccessRules()) as pages:
        page = await pages.get("/", 503)

    assert "imagedrift migrate" in page.text


async def test_a_page_reads_as_the_role_of_its_viewer(pages_dsn: str) -> None:
    """A user is shown what the role of the group may read, and nothing more."""
    async with browser(pages_dsn, PROXIED, peer="10.1.2.3") as pages:
        page = await pages.get(
            "/hosts", headers={"x-forwarded-user": "ada", "x-forwarded-groups": "dev, sre"}
        )
        assert "Signed in as ada" in page.text
        refused = await pages.get(
            "/hosts", 403, {"x-forwarded-user": "eve", "x-forwarded-groups": "none"}
        )
        assert "permission denied" in refused.text


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


async def test_a_page_cannot_write_even_as_the_owner(pages_dsn: str) -> None:
    """Every query runs in a transaction that is read-only."""
    from imagedrift_dashboard.adapters import database
    from imagedrift_dashboard.core.page_fault import PageFault
    from imagedrift_dashboard.core.query import fixed
    from imagedrift_dashboard.markup.tag_table import TagPeriod

    writing = fixed("DELETE FROM fleet.trend RETURNING taken_at", TagPeriod)
    async with database.open_reader(pages_dsn) as reader:
        with pytest.raises((PageFault, asyncpg.ReadOnlySQLTransactionError)):
            await reader.answer([writing], "")
