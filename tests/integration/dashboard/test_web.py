"""The tables of the pages as CSV."""

import pytest

from support import command_fleet
from support.pages import ADDRESSES, Browser, browser


@pytest.mark.parametrize("url", ADDRESSES)
async def test_every_table_can_be_taken_as_csv(pages: Browser, url: str) -> None:
    """Each section's link gives all of its rows as CSV, under the names of the columns."""
    page = await pages.get(url)
    links = [link for link in page.links if "csv=" in link]
    assert links
    for link in links:
        response = await pages.response(link)
        assert response.headers["content-type"].startswith("text/csv")
        header = response.text.splitlines()[0]
        assert header == header.lower()


async def test_the_csv_of_a_filtered_list_has_all_its_rows(own_dsn: str) -> None:
    """A CSV keeps the filters of its page, and does not end with the page."""
    await command_fleet.add_outdated(own_dsn, 120)
    async with browser(own_dsn) as pages:
        text = (await pages.response("/hosts?site=many&csv=hosts")).text

    assert len(text.splitlines()) == 121
