"""The page of places."""

from support.pages import Browser


async def test_places_are_shown_a_level_at_a_time(pages: Browser) -> None:
    """The outermost places come first; each leads to those inside it, with all their hosts."""
    outermost = await pages.get("/places")
    assert outermost.keys == ["ber1", "fra1"]
    assert "/places?inside=fra1" in outermost.links

    inside = await pages.get("/places?inside=fra1")
    assert inside.keys == ["fra1/rack-7", "fra1/rack-8"]
    assert "/hosts?place=fra1%2Frack-8" in inside.links
