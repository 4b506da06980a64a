"""Decisions, as the command `imagedrift decisions` lists them."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from htpy import Node
from msgspec import Struct

from imagedrift_dashboard.markup import cells
from imagedrift_dashboard.markup.table import Column, table


class DecisionRow(Struct, frozen=True):
    """A decision."""

    decision_id: int
    decided_at: datetime
    by: str
    kind: str
    pattern: str
    selector: dict[str, Any]
    value: str | None
    until: datetime | None
    active: bool
    matches: int
    reason: str
    undone_at: datetime | None


def decision_table(rows: Sequence[DecisionRow], now: datetime) -> Node:
    """Show decisions."""
    columns: list[Column[DecisionRow]] = [
        Column("Id", lambda r: str(r.decision_id), True),
        Column("Decided", lambda r: cells.age(r.decided_at, now)),
        Column("By", lambda r: cells.text(r.by)),
        Column("Kind", lambda r: cells.text(r.kind)),
        Column("Pattern", lambda r: cells.text(r.pattern)),
        Column("Hosts", lambda r: cells.labels(r.selector) if r.selector else "all"),
        Column("Value", lambda r: cells.text(r.value)),
        Column("Until", lambda r: cells.age(r.until, now)),
        Column("In force", lambda r: _state(r)),
        Column("Matches", lambda r: cells.number(r.matches), True),
        Column("Reason", lambda r: cells.text(r.reason)),
    ]
    return table("Decisions", columns, rows, lambda r: str(r.decision_id))


def _state(row: DecisionRow) -> Node:
    if row.active:
        return "yes"
    return "undone" if row.undone_at else "ended"
