"""Why a section of a page has no rows."""

import pytest

from imagedrift_dashboard.core.location import Location
from imagedrift_dashboard.pages import image


@pytest.mark.parametrize(
    ("section", "parameters", "told"),
    [
        ("hosts", {"text": "zzz"}, "Nothing passes these filters. Clear them to see all."),
        ("hosts", {"after": "WyJmIl0", "text": "z"}, "There are no further rows."),
        ("tag", {"text": "zzz"}, "The registry has not told yet what it points to."),
        ("tag", {}, "The registry has not told yet what it points to."),
    ],
)
def test_an_empty_section_says_why(section: str, parameters: dict[str, str], told: str) -> None:
    """Filters are to blame only where a section has some, and the page only after the last row."""
    reference = {"reference": "docker.io/library/nginx:1.27"}
    page = image.image(Location(path="/image", parameters=reference))
    [found] = [each for each in page.sections if each.name == section]

    location = Location(path="/image", parameters=reference | parameters)
    assert page.empty(found, location).startswith(told)
