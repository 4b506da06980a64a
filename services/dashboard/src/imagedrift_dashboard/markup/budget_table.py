"""The budgets of registries, with the share that is left as a bar."""

from collections.abc import Sequence
from datetime import datetime, timedelta

import htpy as h
from htpy import Node
from msgspec import Struct

from imagedrift_dashboard.markup import cells
from imagedrift_dashboard.markup.table import Column, table


class RegistryBudget(Struct, frozen=True):
    """The budget of one credential at one registry."""

    registry: str
    credential: str
    rate_limit: int | None
    rate_remaining: int | None
    rate_window: timedelta | None
    rate_reset_at: datetime | None
    blocked_until: datetime | None
    last_status: int | None
    last_error: str | None
    observed_at: datetime | None


def budget_table(rows: Sequence[RegistryBudget], now: datetime) -> Node:
    """Show budgets."""
    columns: list[Column[RegistryBudget]] = [
        Column("Registry", lambda r: cells.text(r.registry)),
        Column("Credential", lambda r: cells.text(r.credential)),
        Column("Left", _bar_of_left),
        Column("Window", lambda r: cells.span(r.rate_window)),
        Column("Begins anew", lambda r: cells.age(r.rate_reset_at, now)),
        Column("Blocked until", lambda r: _blocked(r, now)),
        Column("Last status", lambda r: cells.number(r.last_status), True),
        Column("Last error", lambda r: cells.text(r.last_error)),
        Column("Learnt", lambda r: cells.age(r.observed_at, now)),
    ]
    return table("Registries", columns, rows, lambda r: f"{r.registry} {r.credential}")


def _bar_of_left(row: RegistryBudget) -> Node:
    """Show the requests that are left as a bar and in numbers; no limit shows none."""
    if row.rate_remaining is None or not row.rate_limit:
        return cells.nothing()
    told = f"{row.rate_remaining:,} of {row.rate_limit:,}"
    low, value, top = row.rate_limit // 5, max(row.rate_remaining, 0), row.rate_limit
    return [h.meter(value=str(value), max=str(top), low=str(low), aria_label=told), " ", told]


def _blocked(row: RegistryBudget, now: datetime) -> Node:
    if row.blocked_until is None or row.blocked_until <= now:
        return cells.nothing()
    return cells.age(row.blocked_until, now)
