"""The address of a page: its path, the names in the path, and the parameters after the `?`.

| parameter     | meaning                                              |
|---------------|------------------------------------------------------|
| a filter name | only rows that pass it; see `filters`                |
| `after`       | the rows after this position; see `keyset`           |
| `csv`         | the table of this name as CSV, all of its rows       |

A parameter that the page does not have is refused, as its reader expects an effect of it.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Final
from urllib.parse import quote, urlencode

from msgspec import Struct

from imagedrift_dashboard.core.page_fault import PageFault

AFTER: Final = "after"
CSV: Final = "csv"
MOST_CHARACTERS: Final = 1_000
"""Characters of one value in an address."""
MOST_OF_A_POSITION: Final = 8_000
"""A position has the longest reference, or place, and more: a page's own link has to be read."""


class Location(Struct, frozen=True, kw_only=True):
    """Where a reader is."""

    path: str = "/"
    names: Mapping[str, str] = {}
    """The parts of the path that name something: a site, a host."""
    parameters: Mapping[str, str] = {}

    def get(self, name: str) -> str:
        """Return the value of a parameter; empty where it is not given."""
        return self.parameters.get(name, "")

    def url(self, **changes: str) -> str:
        """Write this address with other parameters; one that is empty is left out."""
        return url_of(quote(self.path), **{**self.parameters, **changes})


def read(
    path: str, names: Mapping[str, str], pairs: Iterable[tuple[str, str]], known: Sequence[str]
) -> Location:
    """Read an address whose page has the parameters `known`. Raises `PageFault`."""
    parameters: dict[str, str] = {}
    for name, value in pairs:
        if name not in (*known, AFTER, CSV):
            has = ", ".join(known) or "none"
            raise PageFault(400, f"this page has no filter {name}", f"Its filters are: {has}.")
        if name in parameters:
            raise PageFault(400, f"{name} is given twice", "Leave one of them out.")
        if value := _checked(name, value):
            parameters[name] = value
    return Location(
        path=path,
        names={name: _checked(name, value) for name, value in names.items()},
        parameters=parameters,
    )


def url_of(path: str, **parameters: str) -> str:
    """Write an address; a parameter that is empty is left out."""
    given = {name: value for name, value in parameters.items() if value}
    return path + (f"?{urlencode(given)}" if given else "")


def path_of(*parts: str) -> str:
    """Write a path of names."""
    return "".join(f"/{quote(part, safe='')}" for part in parts)


def _checked(name: str, value: str) -> str:
    most = MOST_OF_A_POSITION if name in (AFTER, "place") else MOST_CHARACTERS
    if len(value) > most:
        advice = f"A value has at most {most} characters."
        raise PageFault(400, f"{name} is too long", advice)
    if not value.isprintable():
        raise PageFault(400, f"{name} has characters that cannot be shown", "Type it anew.")
    return value.strip()
