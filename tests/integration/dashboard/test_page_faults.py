"""A request that gets no page gets one that says why, what to do, and the right status."""

import asyncio
from typing import Final

import asyncpg
import pytest

from support.pages import Browser, browser

ENDLESS: Final = """
INSERT INTO fleet.decisions (kind, pattern, is_prefix, until, reason)
VALUES ('snooze', 'docker.io/library/nginx:1.27', false, '99999-01-01', 'x')
"""


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
        ("/hosts/", 404, "no such page"),
        ("/hosts/%00/web-1", 400, "cannot be shown"),
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


async def test_a_time_that_cannot_be_shown_is_no_defect(own_dsn: str) -> None:
    """A year beyond 9999, which an owner wrote by hand, is told as the database's fault."""
    connection = await asyncpg.connect(own_dsn)
    try:
        await connection.execute(ENDLESS)
    finally:
        await connection.close()
    async with browser(own_dsn) as pages:
        assert "cannot be shown" in (await pages.get("/decisions", 503)).text


async def test_a_question_about_the_events_holds_none_open(pages: Browser) -> None:
    """HEAD is answered with the headers alone where GET would go on for ever."""
    async with asyncio.timeout(5):
        response = await pages.client.head("/events")

    assert response.status_code == 200
    assert response.headers["content-type"].startswith("text/event-stream")
