"""The filters of a list: their conditions, and the values that they refuse."""

import pytest

from imagedrift_dashboard.core import filters
from imagedrift_dashboard.core.location import Location
from imagedrift_dashboard.core.page_fault import PageFault


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


def test_the_state_that_most_hosts_have_is_asked_for_without_the_others() -> None:
    """The planner would take the hosts of one state for few, and read and sort them all."""
    written, _ = filters.conditions(Location(parameters={"state": "well"}), ("state",), ())

    others = [f"state <> '{state}'" for state in filters.STATES if state != "well"]
    assert written == [" AND ".join(others)]
