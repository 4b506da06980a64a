"""The page of the whole fleet."""

import asyncpg

from imagedrift_dashboard.markup.fleet_tiles import TILES
from support.pages import Browser, browser


async def test_the_fleet_page_has_the_numbers_that_were_counted(
    pages: Browser, pages_dsn: str
) -> None:
    """The numbers of the fleet page are those of ops.fleet_counts, beside their trend."""
    page = await pages.get("/")

    connection = await asyncpg.connect(pages_dsn)
    kept = await connection.fetchrow("SELECT * FROM ops.fleet_counts")
    await connection.close()
    tiles = [a["data-value"] for tag, a in page.elements if tag == "strong"]
    assert kept
    assert tiles == [str(kept[name]) for name, *_ in TILES]
    assert tiles[:3] == ["4", "1", "1"]
    drawing = next(a for tag, a in page.elements if tag == "svg")
    assert "outdated from 7 to 4" in drawing["aria-label"]


async def test_the_fleet_page_names_hosts_in_trouble(pages: Browser) -> None:
    """A silent host and a degraded host stand on the fleet page, with why."""
    page = await pages.get("/")

    assert "fra1/db-1" in page.keys
    assert "the engine does not answer" in page.text
    assert "/hosts/fra1/job-1" in page.links


MADE_UP = """
WITH names AS (
  SELECT 'docker.io' AS name
  UNION ALL
  SELECT 'a' || n || '.example' FROM generate_series(1, 300) AS n
)
INSERT INTO fleet.registry_states (registry, credential, observed_at, blocked_until)
SELECT name, 'anonymous', now(), now() + interval '1 hour' FROM names
ON CONFLICT (registry, credential) DO UPDATE SET blocked_until = excluded.blocked_until;
UPDATE fleet.answers SET hosts = 2
WHERE ref_id IN (SELECT ref_id FROM fleet.image_refs WHERE registry = 'docker.io');
"""


async def test_registries_that_one_host_made_up_hide_no_other(own_dsn: str) -> None:
    """A blocked registry of many hosts is shown, however many that one host made up are blocked."""
    connection = await asyncpg.connect(own_dsn)
    await connection.execute(MADE_UP)
    await connection.close()
    async with browser(own_dsn) as pages:
        fleet, registries = await pages.get("/"), await pages.get("/registries")

    assert "docker.io anonymous" in fleet.keys
    assert "docker.io anonymous" in registries.keys


async def test_a_fleet_that_is_not_counted_yet_says_what_to_do(own_dsn: str) -> None:
    """Before the first count the page says what has to run."""
    connection = await asyncpg.connect(own_dsn)
    await connection.execute("DELETE FROM fleet.trend; DELETE FROM fleet.counted")
    await connection.close()
    async with browser(own_dsn) as pages:
        page = await pages.get("/")

    assert "Nothing is counted yet" in page.text
