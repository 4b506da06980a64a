"""A table of rows, and the list of one row's values."""

from collections.abc import Callable, Sequence
from typing import Final, Generic, TypeVar

import htpy as h
from htpy import Node
from msgspec import Struct

from imagedrift_schemas.text import cleaned

R = TypeVar("R")

MOST_OF_A_KEY: Final = 1_000
"""Characters of the name of a row."""


class Column(Struct, Generic[R], frozen=True):
    """A column: its title, its cell in a row, and whether it has numbers."""

    title: str
    cell: Callable[[R], Node]
    is_number: bool = False


def table(
    caption: str, columns: Sequence[Column[R]], rows: Sequence[R], key: Callable[[R], str]
) -> Node:
    """Show rows. `key` names a row, so that a script finds it again."""
    return h.div(".scroll", role="group", aria_label=caption, tabindex="0")[
        h.table[
            h.caption(".hidden")[caption],
            h.thead[h.tr[(_head(each) for each in columns)]],
            h.tbody[
                (
                    h.tr(data_key=cleaned(key(row), MOST_OF_A_KEY))[_cells(columns, row)]
                    for row in rows
                )
            ],
        ]
    ]


def record(pairs: Sequence[tuple[str, Node]]) -> Node:
    """Show the values of one row, each with its name."""
    return h.dl[(h.div[h.dt[name], h.dd[value]] for name, value in pairs)]


def _head(column: Column[R]) -> Node:
    return (
        h.th(".number", scope="col")[column.title]
        if column.is_number
        else (h.th(scope="col")[column.title])
    )


def _cells(columns: Sequence[Column[R]], row: R) -> list[Node]:
    return [
        h.td(".number")[each.cell(row)] if each.is_number else h.td[each.cell(row)]
        for each in columns
    ]
