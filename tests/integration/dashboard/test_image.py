"""The page of one image."""

from support import command_fleet
from support.pages import Browser

IMAGE = "/image?reference=docker.io/library/nginx:1.27"


async def test_an_image_shows_where_it_points_and_who_has_it(pages: Browser) -> None:
    """The page of an image has its digest, the hosts that have it, and its history."""
    page = await pages.get(IMAGE)

    assert command_fleet.NEW in page.text
    assert [key.partition(" ")[0] for key in page.keys[:2]] == ["ber1/web-1", "fra1/web-1"]
    assert len(page.keys) == 4
