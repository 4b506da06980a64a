"""The address of a page: what is read of it, and how it is written."""

import pytest

from imagedrift_dashboard.core import location
from imagedrift_dashboard.core.location import Location
from imagedrift_dashboard.core.page_fault import PageFault


def test_a_link_keeps_the_filters() -> None:
    """An address with another position has the filters that it had."""
    at = location.read("/hosts", {}, [("site", "fra1"), ("text", "a b&c")], ("site", "text"))

    assert at.url(after="p") == "/hosts?site=fra1&text=a+b%26c&after=p"
    assert at.url(site="") == "/hosts?text=a+b%26c"


def test_an_empty_parameter_is_none() -> None:
    """A field of a form that was left empty filters nothing."""
    at = location.read("/hosts", {}, [("site", ""), ("text", " ")], ("site", "text"))

    assert at == Location(path="/hosts")


def test_a_part_of_a_path_stays_one_part() -> None:
    """A name with a slash or a question mark adds no part to a path."""
    assert location.path_of("hosts", "a/b?c", "..#") == "/hosts/a%2Fb%3Fc/..%23"


def test_a_page_reads_the_position_of_its_own_link() -> None:
    """A position of the longest keys is read; a filter of that length is refused."""
    long = "x" * 5_000

    assert location.read("/due", {}, [("after", long)], ("site",)).get("after") == long
    with pytest.raises(PageFault):
        location.read("/due", {}, [("site", long)], ("site",))
