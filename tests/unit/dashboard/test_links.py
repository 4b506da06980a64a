"""Links from one page to another."""

import htpy as h

from imagedrift_dashboard.pages import links
from support.pages import ReadPage


def test_a_link_shows_the_name_and_leads_to_the_thing() -> None:
    """A host is shown by its host name, or by its id where it has none."""
    page = ReadPage(str(h.p[links.host("fra1", "id-1", "web"), links.host("fra1", "id-2")]))

    assert page.links == ["/hosts/fra1/id-1", "/hosts/fra1/id-2"]
    assert [text for text in page.texts if text != "/"] == ["fra1", "web", "fra1", "id-2"]


def test_images_reasons_and_places_are_named_in_the_address() -> None:
    """References and places are parameters, as they have slashes."""
    nodes = [links.image("a/b:1"), links.why("s", "h", "a/b:1", "x"), links.place("dc1/r 2")]

    assert ReadPage(str(h.p[nodes])).links == [
        "/image?reference=a%2Fb%3A1",
        "/hosts/s/h/why?reference=a%2Fb%3A1",
        "/hosts?place=dc1%2Fr+2",
    ]
    assert ReadPage(str(h.p[links.place("")])).links == []
