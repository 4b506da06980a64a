"""The database behind the pages: away, of another schema, read-only, and as the viewer's role."""

import asyncpg
import pytest

from imagedrift_dashboard.adapters import database
from imagedrift_dashboard.core.access import AccessRules, networks
from imagedrift_dashboard.core.query import fixed
from imagedrift_dashboard.markup.tag_table import TagPeriod
from imagedrift_sandbox.free_port import free_port
from support.pages import browser

PROXIED = AccessRules(
    proxies=networks(["10.0.0.0/8"]), roles={"sre": "imagedrift_operator", "none": "pg_monitor"}
)


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


async def test_a_page_cannot_write_even_as_the_owner(pages_dsn: str) -> None:
    """Every query runs in a transaction that is read-only."""
    writing = fixed("DELETE FROM fleet.trend RETURNING taken_at", TagPeriod)
    async with database.open_reader(pages_dsn) as reader:
        with pytest.raises(asyncpg.ReadOnlySQLTransactionError):
            await reader.answer([writing], "")


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
