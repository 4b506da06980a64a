"""The query of a list: filters, position, order and limit in one text, values apart."""

from msgspec import Struct

from imagedrift_dashboard.core import keyset
from imagedrift_dashboard.core.keyset import ROWS, by
from imagedrift_dashboard.core.location import Location
from imagedrift_dashboard.core.query import PagedList, fixed


class Named(Struct, frozen=True):
    """A row of the list."""

    name: str


LISTING = PagedList(
    statement="SELECT name\nFROM ops.x\n{where}", row=Named, keys=(by("name"),), filters=("site",)
)


def test_a_list_without_filters_has_its_order_alone() -> None:
    """All rows are sorted by the keys; a page has one row more than it shows."""
    query = LISTING.at(Location())

    assert query.sql == "SELECT name\nFROM ops.x\nORDER BY name"
    assert query.page_sql == f"{query.sql}\nLIMIT {ROWS + 1}"


def test_the_position_counts_for_the_page_alone() -> None:
    """A page begins after its position; the rows for a CSV begin with the first."""
    after = keyset.position(Named("b"), LISTING.keys)
    query = LISTING.at(Location(parameters={"site": "fra1", "after": after}), "is_known")

    assert "WHERE is_known\n  AND site = :site::text\n  AND (name) > (:after_a::text)" in (
        query.page_sql
    )
    assert "after_a" not in query.sql
    assert query.values == {"site": "fra1", "after_a": "b"}


def test_a_full_page_tells_the_position_of_the_next() -> None:
    """The row beyond the page is not shown; it says that there is a next page."""
    rows = [Named(f"{n:03}") for n in range(ROWS + 1)]
    shown, after = LISTING.at(Location()).page(rows)

    assert list(shown) == rows[:ROWS]
    assert keyset.read(after, LISTING.keys) == {"after_a": f"{ROWS - 1:03}"}
    assert LISTING.at(Location()).page(rows[:ROWS]) == (rows[:ROWS], "")


def test_a_query_of_few_rows_has_no_pages() -> None:
    """A query without keys shows all of its rows."""
    rows = [Named("a")] * (ROWS + 5)

    assert fixed("SELECT 1", Named).page(rows) == (rows, "")
