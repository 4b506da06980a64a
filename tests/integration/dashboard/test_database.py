"""The database behind the pages: away, of another schema, read-only, and as the viewer's role."""

import asyncio
from urllib.parse import urlsplit

import asyncpg
import pytest
from msgspec import Struct

from imagedrift_dashboard.adapters import database
from imagedrift_dashboard.core.access import AccessRules, networks
from imagedrift_dashboard.core.page_fault import PageFault
from imagedrift_dashboard.core.query import fixed
from imagedrift_dashboard.markup.tag_table import TagPeriod
from imagedrift_sandbox.free_port import free_port
from support import logins
from support.pages import OPERATOR, browser
from support.polling import until
from support.silenced_relay import SilencedRelay

PROXIED = AccessRules(
    proxies=networks(["10.0.0.0/8"]), roles={"sre": "imagedrift_operator", "none": "pg_monitor"}
)

SOON_S = 10
"""Much less than a query may take."""


async def test_a_database_that_is_away_is_told() -> None:
    """A page says that the database cannot be reached, with status 503, and shows no address."""
    async with browser(f"postgresql://someone:secret@127.0.0.1:{free_port()}/x") as pages:
        page = await pages.get("/", 503)

    assert "cannot be reached" in page.text
    assert "secret" not in page.text


async def test_a_database_that_falls_silent_is_told_and_found_again(pages_dsn: str) -> None:
    """A page on an open connection that leads nowhere any more ends soon; the next page comes."""
    where = urlsplit(pages_dsn)
    async with SilencedRelay.to(where.hostname or "", where.port or 0) as relay:
        dsn = pages_dsn.replace(f":{where.port}/", f":{relay.port}/")
        async with database.open_reader(dsn, within_s=0.5) as reader:
            one = fixed("SELECT now() AS valid_from, NULL AS valid_to, '' AS digest", TagPeriod)
            await reader.answer([one], "")
            relay.is_silent = True
            async with asyncio.timeout(SOON_S):
                with pytest.raises(PageFault, match="503"):
                    await reader.answer([one], "")
            relay.is_silent = False
            assert len((await reader.answer([one], ""))[0]) == 1


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


async def test_a_database_that_falls_silent_in_a_query_is_told_soon(
    pages_dsn: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A query that is never answered ends with its bound, and its connection is not waited for."""
    monkeypatch.setattr(database, "SILENT_AFTER_S", 3.0)
    where = urlsplit(pages_dsn)
    async with SilencedRelay.to(where.hostname or "", where.port or 0) as relay:
        dsn = pages_dsn.replace(f":{where.port}/", f":{relay.port}/")
        async with database.open_reader(dsn) as reader:
            row = "SELECT now() AS valid_from, NULL AS valid_to"
            await reader.answer([fixed(f"{row}, '' AS digest", TagPeriod)], "")
            waiting = f"{row}, pg_sleep(60)::text AS digest"
            asking = asyncio.ensure_future(reader.answer([fixed(waiting, TagPeriod)], ""))
            await until(lambda: _runs(pages_dsn, "%pg_sleep(60)%"), "the query runs")
            relay.is_silent = True
            async with asyncio.timeout(SOON_S):
                with pytest.raises(PageFault) as fault:
                    await asking

    assert fault.value.status == 503


async def _runs(dsn: str, query: str) -> bool:
    async with logins.connected(dsn) as connection:
        asked = "SELECT count(*) FROM pg_stat_activity WHERE state = 'active' AND query LIKE $1"
        return bool(await connection.fetchval(asked, query))


async def test_a_page_is_planned_for_its_values_however_often_it_was_read(pages_dsn: str) -> None:
    """No plan is kept that was made without knowing how much a filter leaves."""
    row = "SELECT now() AS valid_from, NULL::timestamptz AS valid_to"
    often = fixed(f"{row}, :filter::text AS digest", TagPeriod, filter="x")
    kept = fixed(
        f"{row}, sum(generic_plans)::text AS digest FROM pg_prepared_statements"
        " WHERE statement LIKE '%$1::text AS digest'",
        TagPeriod,
    )
    async with database.open_reader(pages_dsn) as reader:
        for _ in range(8):  # PostgreSQL compares a plan for any values with the first five
            await reader.answer([often], "")
        [[plans]] = await reader.answer([kept], "")

    assert plans.digest == "0"


async def test_a_pool_in_use_is_not_a_database_that_is_away(pages_dsn: str) -> None:
    """Where every connection is in use for long, the page says so, and what to do."""
    waiting = fixed("SELECT pg_sleep(60)", TagPeriod)
    connection = await asyncpg.connect(pages_dsn)
    async with database.open_reader(pages_dsn, within_s=2) as reader:
        asks = [asyncio.ensure_future(reader.answer([waiting], "")) for _ in range(8)]
        try:
            await until(lambda: _all_wait(connection), "every connection is in use")
            with pytest.raises(PageFault) as refused:
                await reader.answer([waiting], "")
        finally:
            for each in asks:
                each.cancel()
            await asyncio.gather(*asks, return_exceptions=True)
            await connection.close()

    assert refused.value.status == 503
    assert "too many pages" in refused.value.wrong


async def _all_wait(connection: asyncpg.Connection) -> bool:
    asked = "SELECT count(*) FROM pg_stat_activity WHERE query = 'SELECT pg_sleep(60)'"
    return bool(await connection.fetchval(asked) == database.CONNECTIONS)


async def test_viewers_of_one_role_do_not_wait_for_those_of_another(pages_dsn: str) -> None:
    """Where every connection of one role is in use, another role is answered."""
    waiting = fixed("SELECT pg_sleep(60)", TagPeriod)
    connection = await asyncpg.connect(pages_dsn)
    async with database.open_reader(pages_dsn, within_s=2) as reader:
        asks = [asyncio.ensure_future(reader.answer([waiting], "")) for _ in range(8)]
        try:
            await until(lambda: _all_wait(connection), "every connection is in use")
            assert await reader.answer([fixed("SELECT WHERE false", TagPeriod)], "pg_monitor")
        finally:
            for each in asks:
                each.cancel()
            await asyncio.gather(*asks, return_exceptions=True)
            await connection.close()


class Who(Struct):
    """Whose rights a query has."""

    login: str
    role: str


async def test_a_role_with_a_login_of_its_own_is_that_login(pages_dsn: str) -> None:
    """A role reads by its own login, where it has one; else by the one for all."""
    who = fixed("SELECT session_user::text AS login, current_user::text AS role", Who)
    await logins.run(pages_dsn, f"CREATE ROLE reader LOGIN PASSWORD 'x' IN ROLE {OPERATOR}")
    try:
        own = {OPERATOR: logins.login(pages_dsn, "reader")}
        async with database.open_reader(pages_dsn, logins=own) as reader:
            [[as_login]] = await reader.answer([who], OPERATOR)
            [[as_set]] = await reader.answer([who], "pg_monitor")
    finally:
        await logins.run(pages_dsn, "DROP ROLE reader")

    assert (as_login.login, as_login.role) == ("reader", "reader")
    assert (as_set.login, as_set.role) == ("postgres", "pg_monitor")


async def test_a_function_that_is_not_there_is_another_schema(pages_dsn: str) -> None:
    """A query that calls a function of another version is told as such."""
    async with database.open_reader(pages_dsn) as reader:
        with pytest.raises(PageFault) as refused:
            await reader.answer([fixed("SELECT ops.of_another_version()", TagPeriod)], "")
    assert refused.value.status == 503
    assert "imagedrift migrate" in refused.value.advice


async def test_a_query_that_a_standby_gives_up_can_be_tried_again(pages_dsn: str) -> None:
    """A conflict is no defect: the page says to try again."""
    conflict = (
        "DO $$ BEGIN RAISE EXCEPTION 'conflict with recovery' USING ERRCODE = '40001'; END $$"
    )
    async with database.open_reader(pages_dsn) as reader:
        with pytest.raises(PageFault) as refused:
            await reader.answer([fixed(conflict, TagPeriod)], "")
    assert refused.value.status == 503
    assert "conflict with recovery" in refused.value.wrong
