"""The parts of every page: form, faults, sections and their queries."""

from html import unescape

from imagedrift_dashboard.core.location import Location
from imagedrift_dashboard.core.page_fault import PageFault
from imagedrift_dashboard.markup import layout
from imagedrift_dashboard.markup.layout import ShownSection
from support.pages import ReadPage


def test_a_value_of_an_address_is_only_shown() -> None:
    """A value that a reader writes into a filter comes back in its field, and does nothing."""
    text = '"><script>alert(1)</script>'
    location = Location(path="/hosts", parameters={"text": text, "site": text})
    form = ReadPage(str(layout.document("x", layout.filter_form(("site", "text"), location))))

    fields = [a["value"] for tag, a in form.elements if tag == "input"]
    assert fields == [text, text]
    assert [tag for tag, _ in form.elements].count("script") == 1


def test_a_fault_repeats_little_of_an_address() -> None:
    """A fault is short whatever was asked for, and has no marks that turn the writing."""
    html = str(layout.fault(PageFault(400, "no filter \u202e" + "x" * 10_000, "y" * 10_000)))

    assert len(html) < 4_000
    assert "\u202e" not in html


def test_a_fault_is_only_shown() -> None:
    """The fault of an address stands on the page as a text."""
    html = str(layout.fault(PageFault(400, "<script>", "<b>do</b>")))

    assert "<b>" not in html
    assert "<b>do</b>" in unescape(html)


def test_a_query_is_only_shown() -> None:
    """A value in a query that is shown adds no element."""
    shown = ShownSection(name="a", title="A", body=None, sql="SELECT '</pre><script>'")
    html = str(layout.document("x", layout.section(shown, Location())))

    assert "</pre><script>" not in html


def test_the_navigation_marks_the_page_that_is_shown() -> None:
    """One link of the navigation is that of the page itself."""
    page = ReadPage(str(layout.document("Hosts", path="/hosts")))

    here = [a["href"] for _, a in page.elements if a.get("aria-current") == "page"]
    assert here == ["/hosts"]


def test_clearing_the_filters_keeps_what_the_page_is_about() -> None:
    """The link that clears the filters leaves other parameters, such as the image."""
    at = Location(path="/image", parameters={"reference": "r:1", "verdict": "outdated"})
    page = ReadPage(str(layout.document("x", layout.filter_form(("verdict",), at))))

    assert "/image?reference=r%3A1" in page.links
    hidden = [a for tag, a in page.elements if tag == "input" and a["type"] == "hidden"]
    assert [(a["name"], a["value"]) for a in hidden] == [("reference", "r:1")]


def test_a_section_leads_to_its_next_page_and_back_to_the_first() -> None:
    """A section on a later page has a link to the first one, and to the next if there is one."""
    at = Location(path="/hosts", parameters={"site": "fra1", "after": "p"})
    shown = ShownSection(name="a", title="A", body=None, sql="SELECT 1", next_position="q")
    page = ReadPage(str(layout.document("x", layout.section(shown, at))))

    assert page.next_page() == "/hosts?site=fra1&after=q"
    assert "/hosts?site=fra1" in page.links
