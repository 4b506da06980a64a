"""The page of the whole fleet."""

import asyncpg

from support.pages import Browser, browser


async def test_the_fleet_page_counts_what_the_trend_counts(pages: Browser) -> None:
    """The numbers of the fleet page are those of the newest row of ops.trend."""
    page = await pages.get("/")

    tiles = [a["data-value"] for tag, a in page.elements if tag == "strong"]
    assert tiles == ["4", "1", "4", "4", "0", "1", "0", "1", "0"]
    drawing = next(a for tag, a in page.elements if tag == "svg")
    assert "outdated from 7 to 4" in drawing["aria-label"]


async def test_the_fleet_page_names_hosts_in_trouble(pages: Browser) -> None:
    """A silent host and a degraded host stand on the fleet page, with why."""
    page = await pages.get("/")

    assert "fra1/db-1" in page.keys
    assert "the engine does not answer" in page.text
    assert "/hosts/fra1/job-1" in page.links


async def test_a_fleet_that_is_not_counted_yet_says_what_to_do(own_dsn: str) -> None:
    """Without a row in ops.trend the page says what has to run."""
    connection = await asyncpg.connect(own_dsn)
    await connection.execute("DELETE FROM fleet.trend")
    await connection.close()
    async with browser(own_dsn) as pages:
        page = await pages.get("/")

    assert "Nothing is counted yet" in page.text
