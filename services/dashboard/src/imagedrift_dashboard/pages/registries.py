"""Registries: what each allows, and which references could not be looked up."""

from collections.abc import Sequence
from datetime import datetime
from typing import Final

from htpy import Node
from msgspec import Struct

from imagedrift_dashboard.core.filters import TEXT
from imagedrift_dashboard.core.keyset import by
from imagedrift_dashboard.core.location import Location
from imagedrift_dashboard.core.query import PagedList, fixed
from imagedrift_dashboard.markup import cells
from imagedrift_dashboard.markup.budget_table import RegistryBudget, budget_table
from imagedrift_dashboard.markup.table import Column, table
from imagedrift_dashboard.pages import links
from imagedrift_dashboard.pages.page import Page, PageKind, Section
from imagedrift_dashboard.queries import statements

FILTERS: Final = (TEXT,)


class FailedLookup(Struct, frozen=True):
    """A reference whose last check found nothing."""

    reference: str
    outcome: str
    error: str | None
    failures: int
    failing_since: datetime | None
    next_check_at: datetime | None
    hosts: int


def registries(location: Location) -> Page:
    """Make the page of the registries. Raises `PageFault`."""
    errors = PagedList(
        statement=statements()["lookup_errors"],
        row=FailedLookup,
        keys=(by("hosts", "bigint", descending=True), by("reference")),
        filters=FILTERS,
        texts=("reference", "outcome", "error"),
    )
    return Page(
        title="Registries",
        filters=FILTERS,
        sections=(
            Section(
                name="budgets",
                title="Budgets",
                query=fixed(statements()["registries"], RegistryBudget),
                show=budget_table,
                empty="No registry has told of a limit yet.",
            ),
            Section(
                name="errors",
                title="References that could not be looked up",
                query=errors.at(location),
                show=_errors,
                empty="Every last check was answered.",
            ),
        ),
    )


def _errors(rows: Sequence[FailedLookup], now: datetime) -> Node:
    columns: list[Column[FailedLookup]] = [
        Column("Image", lambda r: links.image(r.reference)),
        Column("Outcome", lambda r: cells.text(r.outcome)),
        Column("Error", lambda r: cells.text(r.error)),
        Column("Failures", lambda r: cells.number(r.failures), True),
        Column("Failing since", lambda r: cells.age(r.failing_since, now)),
        Column("Checked next", lambda r: cells.age(r.next_check_at, now)),
        Column("Hosts", lambda r: cells.number(r.hosts), True),
    ]
    return table("References", columns, rows, lambda r: r.reference)


KIND = PageKind("/registries", registries, FILTERS)
