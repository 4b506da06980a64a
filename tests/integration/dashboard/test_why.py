"""The page of one verdict."""

import re

import asyncpg

from support import command_fleet
from support.pages import Browser, browser

WHY = "/hosts/ber1/web-1/why?reference=docker.io/library/nginx:1.27"
BUILT_ON = f"""
    UPDATE fleet.comparisons SET facts = jsonb_build_object(
      'base_name', 'ghcr.io/acme/base:3', 'base_digest', '{command_fleet.OLD}');
    INSERT INTO fleet.bases (name, digest, platform, ref_id, state, judged_digest)
    SELECT DISTINCT
      'ghcr.io/acme/base:3', '{command_fleet.OLD}', c.platform, a.ref_id, 'newer', a.remote_digest
    FROM fleet.comparisons AS c, fleet.answers AS a
    JOIN fleet.image_refs AS r ON r.ref_id = a.ref_id
    WHERE r.reference = 'docker.io/library/nginx:1.27';
"""
"""Every image was built on a base whose tag points to what `nginx:1.27` does."""


async def test_why_shows_all_that_a_verdict_rests_on(pages: Browser) -> None:
    """The page of one verdict has both digests whole, the ages, and the budget of the registry."""
    page = await pages.get(WHY)

    for told in ("outdated", "platform_differs", command_fleet.OLD, command_fleet.NEW):
        assert told in page.text
    assert re.search(r"\b\d+ min ago", page.text)
    assert "anonymous" in page.text


async def test_why_tells_that_the_base_of_an_image_was_replaced(
    pages: Browser, own_dsn: str
) -> None:
    """The base has its own part of the page, where labels name one."""
    connection = await asyncpg.connect(own_dsn)
    try:
        await connection.execute(BUILT_ON)
    finally:
        await connection.close()
    async with browser(own_dsn) as reading:
        page = await reading.get(WHY)

    assert re.search(r"Built on\W+Image\W+ghcr.io/acme/base:3\W+Was replaced\W+yes", page.text)
    assert "Built on" not in (await pages.get(WHY)).text
