"""The fleet's numbers as tiles."""

from datetime import UTC, datetime, timedelta

from msgspec.structs import replace

from imagedrift_dashboard.markup import fleet_tiles, layout
from imagedrift_dashboard.markup.fleet_tiles import TILES, FleetNumbers
from support.pages import ReadPage

NOW = datetime(2026, 11, 26, 12, tzinfo=UTC)
NUMBERS = FleetNumbers(
    counted_at=NOW - timedelta(seconds=40),
    hosts=100_000,
    silent_hosts=1,
    degraded_hosts=2,
    due=3_000,
    overdue=0,
    images=9,
    outdated=5,
    current=4,
    pinned=0,
    local=0,
    missing=0,
    unknown=0,
    stale=0,
)


def shown(numbers: FleetNumbers) -> ReadPage:
    """Return the page of these numbers."""
    return ReadPage(str(layout.document("x", fleet_tiles.show([numbers], NOW))))


def test_each_number_is_a_tile_with_its_link() -> None:
    """Every number is shown, with its age, and leads to the page that lists it."""
    page = shown(NUMBERS)
    assert len([tag for tag, _ in page.elements if tag == "strong"]) == len(TILES)
    assert {"100,000", "3,000", "degraded hosts"} <= set(page.texts)
    assert "/hosts?state=degraded" in page.links
    assert "40 s" in page.text


def test_a_number_that_is_not_counted_yet_is_no_zero() -> None:
    """The images that are due are not known before the first count."""
    page = shown(replace(NUMBERS, due=None, overdue=None))
    assert page.texts.count("–") == 2
