"""The address of a page, and the filters in it."""

import pytest

from imagedrift_dashboard.core import filters, location
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


def test_filters_are_written_with_values_apart() -> None:
    """A filter's value never stands in the condition."""
    at = Location(parameters={"site": "'; DROP", "label": "a=b=c", "text": "x", "running": "yes"})

    written, values = filters.conditions(at, ("site", "label", "running", "text"), ("a", "b"))

    assert written == [
        "site = :site::text",
        "labels @> :label::jsonb",
        "running > 0",
        "(strpos(lower(a), lower(:text::text)) > 0 OR strpos(lower(b), lower(:text::text)) > 0)",
    ]
    assert values == {"site": "'; DROP", "label": '{"a": "b=c"}', "running": "yes", "text": "x"}


@pytest.mark.parametrize("text", ["prod", "=prod"])
def test_a_label_without_a_key_is_refused(text: str) -> None:
    """A label is key=value."""
    with pytest.raises(PageFault, match="400"):
        filters.conditions(Location(parameters={"label": text}), ("label",), ())


def test_a_part_of_a_path_stays_one_part() -> None:
    """A name with a slash or a question mark adds no part to a path."""
    assert location.path_of("hosts", "a/b?c", "..#") == "/hosts/a%2Fb%3Fc/..%23"
