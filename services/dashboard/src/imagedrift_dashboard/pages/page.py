"""A page: a title and sections, each of one query and a function that shows its rows.

A page is made from its address alone, without the database: `make(location)`. Who serves it runs
the queries, all in one snapshot, and hands each section its rows.
"""

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Generic, TypeVar

from htpy import Node
from msgspec import Struct

from imagedrift_dashboard.core.location import AFTER, Location
from imagedrift_dashboard.core.query import Query

R = TypeVar("R", bound=Struct)


class Section(Struct, Generic[R], frozen=True, kw_only=True):
    """A part of a page: one query, and how its rows are shown."""

    name: str
    """In the address of its CSV."""
    title: str
    query: Query[R]
    show: Callable[[Sequence[R], datetime], Node]
    empty: str
    """Its text without rows, with the next step."""
    is_required: bool = False
    """Without rows there is no such page."""


class Page(Struct, frozen=True, kw_only=True):
    """A page of one address."""

    title: str
    sections: tuple[Section, ...]  # type: ignore[type-arg]  # each has rows of its own type
    filters: tuple[str, ...] = ()
    has_decisions: bool = False
    """Whether it is a page on which one may decide."""
    reference: str = ""
    """The image that it is about."""

    def empty(self, section: Section, location: Location) -> str:  # type: ignore[type-arg]
        """Say why a section has no rows: there are none, or its filters leave none."""
        if section.query.keys and location.get(AFTER):
            return "There are no further rows. Begin with the first page."
        if section.query.keys and any(map(location.get, self.filters)):
            return "Nothing passes these filters. Clear them to see all."
        return section.empty


class PageKind(Struct, frozen=True):
    """A kind of page: its path, what it is made by, and the parameters of its address."""

    path: str
    make: Callable[[Location], Page]
    parameters: tuple[str, ...] = ()
