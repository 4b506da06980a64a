"""Dead letters: messages that were refused, and why."""

from collections.abc import Sequence
from datetime import datetime
from typing import Final

from htpy import Node
from msgspec import Struct

from imagedrift_dashboard.core.filters import TEXT
from imagedrift_dashboard.core.keyset import by
from imagedrift_dashboard.core.location import Location
from imagedrift_dashboard.core.query import PagedList
from imagedrift_dashboard.markup import cells
from imagedrift_dashboard.markup.table import Column, table
from imagedrift_dashboard.pages.page import Page, PageKind, Section
from imagedrift_dashboard.queries import statements

FILTERS: Final = (TEXT,)


class RefusedMessage(Struct, frozen=True):
    """The refused messages of an hour, of one service, subject and reason."""

    letter: str
    received_at: datetime
    times: int
    service: str
    reason: str
    subject: str
    error: str | None
    stream: str | None
    stream_seq: int | None
    first_received_at: datetime | None


def dead_letters(location: Location) -> Page:
    """Make the page of the dead letters. Raises `PageFault`."""
    listing = PagedList(
        statement=statements()["dead_letters"],
        row=RefusedMessage,
        keys=(by("received_at", "timestamptz", descending=True), by("letter", descending=True)),
        filters=FILTERS,
        texts=("subject", "service", "reason", "error"),
    )
    section = Section(
        name="dead-letters",
        title="Dead letters",
        query=listing.at(location),
        show=_show,
        empty="No message was refused.",
    )
    return Page(title="Dead letters", filters=FILTERS, sections=(section,))


def _show(rows: Sequence[RefusedMessage], now: datetime) -> Node:
    columns: list[Column[RefusedMessage]] = [
        Column("Last refused", lambda r: cells.age(r.received_at, now)),
        Column("Times", lambda r: cells.number(r.times), True),
        Column("Service", lambda r: cells.text(r.service)),
        Column("Reason", lambda r: cells.text(r.reason)),
        Column("Subject", lambda r: cells.text(r.subject)),
        Column("Error", lambda r: cells.text(r.error)),
        Column("Stream", lambda r: cells.text(r.stream)),
        Column("Sequence", lambda r: cells.number(r.stream_seq), True),
        Column("Letter", lambda r: cells.text(r.letter)),
    ]
    return table("Dead letters", columns, rows, lambda r: r.letter)


KIND = PageKind("/dead-letters", dead_letters, FILTERS)
