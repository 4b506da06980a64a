"""One query of a page: a named statement, its clauses filled in, its values, and its rows' type.

The text that runs is the text that the page shows, with the values written into it.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Final, Generic, TypeVar

from msgspec import Struct

from imagedrift_dashboard.core import filters, keyset
from imagedrift_dashboard.core.keyset import SortKey
from imagedrift_dashboard.core.location import AFTER, Location

R = TypeVar("R", bound=Struct)
_MARK: Final = "{where}"


class Query(Struct, Generic[R], frozen=True, kw_only=True):
    """A query: all of its rows by `sql`, those of one page by `page_sql`."""

    row: type[R]
    sql: str
    values: Mapping[str, object] = {}
    page_sql: str
    keys: tuple[SortKey, ...] = ()

    def page(self, rows: Sequence[R]) -> tuple[Sequence[R], str]:
        """Return the rows of the page, and the position of the next one, if there is one."""
        if not self.keys or len(rows) <= keyset.ROWS:
            return rows, ""
        return rows[: keyset.ROWS], keyset.position(rows[keyset.ROWS - 1], self.keys)


def fixed(statement: str, row: type[R], **values: object) -> Query[R]:
    """Make a query whose rows are few."""
    return Query(row=row, sql=statement, page_sql=statement, values=values)


class PagedList(Struct, Generic[R], frozen=True, kw_only=True):
    """A statement with `{where}`, how its rows are filtered, sorted and paged."""

    statement: str
    row: type[R]
    keys: tuple[SortKey, ...]
    filters: tuple[str, ...] = ()
    texts: tuple[str, ...] = ()

    def at(self, location: Location, *always: str, **values: Any) -> Query[R]:
        """Make the query of an address. Raises `PageFault`."""
        written, given = filters.conditions(location, self.filters, self.texts)
        every = [*always, *written]
        whole = self._write(every)
        given |= values
        paged = whole
        if after := location.get(AFTER):
            given |= keyset.read(after, self.keys)
            paged = self._write([*every, keyset.condition(self.keys)])
        return Query(
            row=self.row,
            sql=whole,
            page_sql=f"{paged}\nLIMIT {keyset.ROWS + 1}",
            values=given,
            keys=self.keys,
        )

    def _write(self, conditions: Sequence[str]) -> str:
        where = "WHERE " + "\n  AND ".join(conditions) if conditions else ""
        text = f"{self.statement.replace(_MARK, where)}\n{keyset.order(self.keys)}"
        return "\n".join(line for line in text.splitlines() if line.strip())
