"""The page of one verdict."""

import re

from support import command_fleet
from support.pages import Browser

WHY = "/hosts/ber1/web-1/why?reference=docker.io/library/nginx:1.27"


async def test_why_shows_all_that_a_verdict_rests_on(pages: Browser) -> None:
    """The page of one verdict has both digests whole, the ages, and the budget of the registry."""
    page = await pages.get(WHY)

    for told in ("outdated", "platform_differs", command_fleet.OLD, command_fleet.NEW):
        assert told in page.text
    assert re.search(r"\b\d+ min ago", page.text)
    assert "anonymous" in page.text
