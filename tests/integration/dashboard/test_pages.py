"""Each page shows what the views say, in their words."""

from html import unescape

import asyncpg
import pytest

from imagedrift_dashboard.pages.catalogue import PAGES
from support import command_fleet
from support.pages import Browser, browser

NGINX = "docker.io/library/nginx:1.27"
WHY = f"/hosts/ber1/web-1/why?reference={NGINX}"
IMAGE = f"/image?reference={NGINX}"
ADDRESSES = (
    "/",
    "/places",
    "/places?inside=fra1",
    "/hosts",
    "/hosts?site=fra1&state=silent",
    "/hosts/fra1/web-1",
    "/hosts/fra1/web-1?verdict=outdated&running=yes",
    WHY,
    "/images",
    "/images?registry=docker.io&outdated=yes&text=nginx",
    IMAGE,
    f"{IMAGE}&verdict=outdated&label=env%3Dprod&place=ber1&site=ber1&text=web",
    "/due",
    "/due?overdue=yes&site=ber1&running=yes",
    "/excused",
    "/decisions",
    "/decisions?active=yes&text=x",
    "/registries",
    "/dead-letters",
)


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


async def test_hosts_are_listed_by_name_with_their_state(pages: Browser) -> None:
    """The list has every host in the order of site and id."""
    page = await pages.get("/hosts")

    assert page.keys == ["ber1/web-1", "fra1/db-1", "fra1/job-1", "fra1/web-1"]


@pytest.mark.parametrize(
    ("filters", "left"),
    [
        ("site=ber1", ["ber1/web-1"]),
        ("state=silent", ["fra1/db-1"]),
        ("state=degraded", ["fra1/job-1"]),
        ("place=fra1/rack-8", ["fra1/db-1", "fra1/job-1"]),
        ("label=env%3Dprod", ["ber1/web-1", "fra1/web-1"]),
        ("text=WEB", ["ber1/web-1", "fra1/web-1"]),
        ("site=fra1&text=web", ["fra1/web-1"]),
        ("site=none", []),
    ],
)
async def test_a_filter_in_the_address_leaves_out_other_hosts(
    pages: Browser, filters: str, left: list[str]
) -> None:
    """Each filter leaves the hosts that pass it, and stands in its field."""
    page = await pages.get(f"/hosts?{filters}")

    assert page.keys == left


async def test_a_list_is_read_page_by_page_without_gap_or_repeat(own_dsn: str) -> None:
    """Following "next page" shows every host once, in order."""
    await command_fleet.add_outdated(own_dsn, 120)
    async with browser(own_dsn) as pages:
        url, seen = "/hosts", []
        while url:
            page = await pages.get(url)
            assert len(page.keys) <= 50
            seen += page.keys
            url = page.next_page()

    assert len(seen) == 124
    assert seen == sorted(set(seen))


async def test_a_host_shows_its_images_outdated_first(pages: Browser) -> None:
    """A host's page has its facts, its images, and links to why."""
    page = await pages.get("/hosts/fra1/web-1")

    assert page.keys[0].startswith(NGINX)
    assert "fra1/rack-7" in page.text
    assert any(link.startswith("/hosts/fra1/web-1/why?reference=") for link in page.links)


async def test_why_shows_all_that_a_verdict_rests_on(pages: Browser) -> None:
    """The page of one verdict has both digests whole, the ages, and the budget of the registry."""
    page = await pages.get(WHY)

    for told in ("outdated", "platform_differs", command_fleet.OLD, command_fleet.NEW, "2 min ago"):
        assert told in page.text
    assert "anonymous" in page.text


@pytest.mark.parametrize("url", ADDRESSES)
async def test_every_section_shows_the_query_that_made_it(
    pages: Browser, pages_dsn: str, url: str
) -> None:
    """Each query that a page shows can be run as it stands, and gives as many rows."""
    html = (await pages.response(url)).text
    connection = await asyncpg.connect(pages_dsn)
    try:
        shown = [part.partition("</pre>")[0].partition(">")[2] for part in html.split("<pre ")[1:]]
        assert shown
        for sql in shown:
            assert await connection.fetch(unescape(sql)) is not None
    finally:
        await connection.close()


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


def test_every_page_is_read_here() -> None:
    """Each page of the catalogue has an address in this file."""
    paths = {address.partition("?")[0] for address in ADDRESSES}
    named = {kind.path.replace("{site}", "fra1").replace("{host}", "web-1") for kind in PAGES}
    assert named - {"/hosts/fra1/web-1/why"} <= paths


@pytest.mark.parametrize("url", ADDRESSES)
async def test_every_link_of_a_page_leads_to_a_page(pages: Browser, url: str) -> None:
    """No link of a page is broken."""
    page = await pages.get(url)
    for link in {each for each in page.links if each.startswith("/")}:
        await pages.response(link)


async def test_places_are_shown_a_level_at_a_time(pages: Browser) -> None:
    """The outermost places come first; each leads to those inside it, with all their hosts."""
    outermost = await pages.get("/places")
    assert outermost.keys == ["ber1", "fra1"]
    assert "/places?inside=fra1" in outermost.links

    inside = await pages.get("/places?inside=fra1")
    assert inside.keys == ["fra1/rack-7", "fra1/rack-8"]
    assert "/hosts?place=fra1%2Frack-8" in inside.links


async def test_images_with_most_outdated_hosts_come_first(pages: Browser) -> None:
    """The list of images is in the order of outdated hosts."""
    page = await pages.get("/images")

    assert page.keys[0] == NGINX
    assert len(page.keys) == 5


async def test_an_image_shows_where_it_points_and_who_has_it(pages: Browser) -> None:
    """The page of an image has its digest, the hosts that have it, and its history."""
    page = await pages.get(IMAGE)

    assert command_fleet.NEW in page.text
    assert [key.partition(" ")[0] for key in page.keys[:2]] == ["ber1/web-1", "fra1/web-1"]
    assert len(page.keys) == 4


async def test_due_images_come_with_what_they_would_get(pages: Browser) -> None:
    """Every outdated image that nothing excuses stands on the page of what is due."""
    page = await pages.get("/due")

    assert len(page.keys) == 4
    assert {"ber1/web-1", "fra1/web-1", "fra1/db-1"} == {k.partition(" ")[0] for k in page.keys}


async def test_an_excused_image_names_its_decision(own_dsn: str) -> None:
    """An image that a decision excuses is not due any more, and says by whom and why."""
    connection = await asyncpg.connect(own_dsn)
    await connection.execute(
        "SELECT ops.decide($1, '{}', 'ignore', NULL, 'replaced next week')", NGINX
    )
    await connection.close()
    async with browser(own_dsn) as pages:
        assert not any(NGINX in key for key in (await pages.get("/due")).keys)
        excused = await pages.get("/excused")
        assert len(excused.keys) == 2
        assert "ignore by postgres: replaced next week" in excused.text
        for url in ("/decisions", IMAGE):
            assert "replaced next week" in (await pages.get(url)).text


async def test_a_registry_s_budget_is_a_bar_with_its_numbers(pages: Browser) -> None:
    """A budget is a bar that says its numbers, beside what could not be looked up."""
    page = await pages.get("/registries")

    assert [a["aria-label"] for tag, a in page.elements if tag == "meter"] == ["37 of 100"]
    assert "registry.example.org/team/app:3" in page.text


async def test_a_refused_message_is_shown(pages: Browser) -> None:
    """A dead letter has its subject, its reason and how often it came."""
    page = await pages.get("/dead-letters")

    assert "drift.v1.inventory.fra1.db-1" in page.text
    assert "malformed" in page.text
