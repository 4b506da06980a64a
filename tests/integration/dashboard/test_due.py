"""The pages of what is due, and of what is excused."""

import asyncpg

from support.pages import IMAGE, NGINX, Browser, browser


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


async def test_a_newer_version_that_is_asked_for_is_a_row_of_its_own(own_dsn: str) -> None:
    """An image that is outdated and behind by a version is due twice, by what it would get."""
    connection = await asyncpg.connect(own_dsn)
    await connection.execute("SELECT ops.decide($1, '{}', 'within', NULL, 'x', 'minor')", NGINX)
    await connection.close()
    async with browser(own_dsn) as pages:
        page = await pages.get("/due")

    assert len(page.keys) == len(set(page.keys)) == 6
    assert sum(key.endswith("minor") for key in page.keys) == 2
    assert page.texts.count("1.29") == 2


async def test_due_images_of_one_host_are_found_by_its_name(pages: Browser) -> None:
    """The filter for a host takes its id or its name, of every site."""
    page = await pages.get("/due?host=web-1")

    assert {key.partition(" ")[0] for key in page.keys} == {"ber1/web-1", "fra1/web-1"}
    assert (await pages.get("/due?host=web")).keys == []


async def test_a_place_has_its_own_hosts_and_those_inside_it_alone(own_dsn: str) -> None:
    """The filter for a place takes what is in it, and no place whose name begins alike."""
    connection = await asyncpg.connect(own_dsn)
    hosts = await connection.fetch("SELECT host_id, site, host FROM fleet.hosts ORDER BY host_id")
    for row, place in zip(hosts, ("dc1/r1", "dc1", "dc1-b", "dc10/r1"), strict=True):
        await connection.execute(
            "UPDATE fleet.hosts SET place = $2 WHERE host_id = $1", row["host_id"], place
        )
    await connection.close()
    async with browser(own_dsn) as pages:
        shown = (await pages.get("/hosts?place=dc1")).keys

    assert set(shown) == {f"{row['site']}/{row['host']}" for row in hosts[:2]}
