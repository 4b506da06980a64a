"""Decisions: who decided what, for which hosts, why, and whether it holds."""

from typing import Final

from imagedrift_dashboard.core.filters import TEXT
from imagedrift_dashboard.core.keyset import by
from imagedrift_dashboard.core.location import Location
from imagedrift_dashboard.core.query import PagedList
from imagedrift_dashboard.markup.decision_table import DecisionRow, decision_table
from imagedrift_dashboard.pages.page import Page, PageKind, Section
from imagedrift_dashboard.queries import statements

FILTERS: Final = ("active", TEXT)


def decisions(location: Location) -> Page:
    """Make the page of all decisions. Raises `PageFault`."""
    listing = PagedList(
        statement=statements()["decisions"],
        row=DecisionRow,
        keys=(
            by("decided_at", "timestamptz", descending=True),
            by("decision_id", "bigint", descending=True),
        ),
        filters=FILTERS,
        texts=("pattern", "by", "kind", "reason"),
    )
    section = Section(
        name="decisions",
        title="Decisions",
        query=listing.at(location),
        show=decision_table,
        empty="There is no such decision. `imagedrift decide` makes one.",
    )
    return Page(title="Decisions", filters=FILTERS, sections=(section,), has_decisions=True)


KIND = PageKind("/decisions", decisions, FILTERS)
