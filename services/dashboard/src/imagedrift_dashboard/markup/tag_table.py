"""The history of a tag, as a timeline."""

from collections.abc import Sequence
from datetime import datetime

from htpy import Node
from msgspec import Struct

from imagedrift_dashboard.markup import cells
from imagedrift_dashboard.markup.table import Column, table


class TagPeriod(Struct, frozen=True):
    """A time during which a tag pointed to one digest."""

    valid_from: datetime
    valid_to: datetime | None
    digest: str


def tag_table(rows: Sequence[TagPeriod], now: datetime) -> Node:
    """Show the periods, the newest first."""
    columns: list[Column[TagPeriod]] = [
        Column("From", lambda r: cells.moment(r.valid_from, now)),
        Column("To", lambda r: cells.moment(r.valid_to, now) if r.valid_to else "now"),
        Column("For", lambda r: cells.span((r.valid_to or now) - r.valid_from)),
        Column("Digest", lambda r: cells.digest(r.digest)),
    ]
    return table("What the tag pointed to", columns, rows, lambda r: r.valid_from.isoformat())
