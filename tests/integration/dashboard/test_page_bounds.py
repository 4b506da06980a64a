"""Pages have bounds: of their bytes and of their queries, however large the fleet is."""

from support import command_fleet
from support.pages import ADDRESSES, Browser, browser
from support.storing import count_fleet

MOST_BYTES = 100_000
MOST_QUERIES = 6


async def read(pages: Browser, url: str) -> tuple[int, int]:
    """Return the queries that made a page, each of which it shows, and its bytes."""
    response = await pages.response(url)
    return response.text.count("<pre "), len(response.content)


async def test_no_page_grows_with_the_fleet(pages: Browser, own_dsn: str) -> None:
    """With 2,000 more hosts each page has as many queries as before, and 100 KB at most."""
    await command_fleet.add_outdated(own_dsn, 2_000)
    await count_fleet(own_dsn)
    async with browser(own_dsn) as large:
        for url in ADDRESSES:
            queries, size = await read(large, url)
            assert queries == (await read(pages, url))[0], url
            assert 1 <= queries <= MOST_QUERIES, url
            assert size <= MOST_BYTES, f"{url}: {size} bytes"
