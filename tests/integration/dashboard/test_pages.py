"""Each page shows what the views say, in their words."""

from html import unescape

import asyncpg
import pytest

from imagedrift_dashboard.core import keyset
from imagedrift_dashboard.core.filters import TEXT
from imagedrift_dashboard.core.location import Location
from imagedrift_dashboard.pages import hosts
from imagedrift_dashboard.pages.catalogue import PAGES
from imagedrift_dashboard.pages.hosts import ListedHost
from imagedrift_dashboard.pages.page import PageKind
from support import command_fleet
from support.pages import ADDRESSES, Browser, browser

NGINX = "docker.io/library/nginx:1.27"
IMAGE = f"/image?reference={NGINX}"


async def test_hosts_are_listed_by_name_with_their_state(pages: Browser) -> None:
    """The list has every host in the order of site and id."""
    page = await pages.get("/hosts")

    assert page.keys == ["ber1/web-1", "fra1/db-1", "fra1/job-1", "fra1/web-1"]


@pytest.mark.parametrize(
    ("filters", "left"),
    [
        ("site=ber1", ["ber1/web-1"]),
        ("state=well", ["ber1/web-1", "fra1/web-1"]),
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


@pytest.mark.parametrize("kind", [kind for kind in PAGES if TEXT in kind.parameters])
async def test_filters_that_leave_nothing_are_told_as_such(pages: Browser, kind: PageKind) -> None:
    """An empty list says that its filters leave nothing, and not that there is nothing."""
    reference = f"reference={NGINX}&" if "reference" in kind.parameters else ""
    address = kind.path.format(site="fra1", host="web-1")
    page = await pages.get(f"{address}?{reference}text=zzz")

    assert "Nothing passes these filters. Clear them to see all." in page.text
    assert "Clear" in page.texts


async def test_the_end_of_a_list_is_told_as_such(pages: Browser) -> None:
    """A page after the last row says that there are no further rows, and leads to the first."""
    listed = hosts.hosts(Location()).sections[0].query
    last = ListedHost("zzz", "z", "z", "well", 0, 0, 0, None, "", {}, None)
    page = await pages.get(f"/hosts?after={keyset.position(last, listed.keys)}")

    assert "There are no further rows" in page.text
    assert "First page" in page.texts


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


def test_every_page_is_read_here() -> None:
    """Each page of the catalogue has an address in this file."""
    paths = {address.partition("?")[0] for address in ADDRESSES}
    named = {kind.path.replace("{site}", "fra1").replace("{host}", "web-1") for kind in PAGES}
    assert named - {"/hosts/fra1/web-1/why"} <= paths


@pytest.mark.parametrize("url", ADDRESSES)
async def test_every_link_of_a_page_leads_to_a_page(pages: Browser, url: str) -> None:
    """No link of a page is broken."""
    page = await pages.get(url)
    links = {each for each in page.links if each.startswith("/")}
    assert "/hosts" in links
    for link in links:
        await pages.response(link)


async def test_images_with_most_outdated_hosts_come_first(pages: Browser) -> None:
    """The list of images is in the order of outdated hosts."""
    page = await pages.get("/images")

    assert page.keys[0] == NGINX
    assert len(page.keys) == 5


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
