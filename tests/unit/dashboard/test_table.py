"""A table of rows."""

from imagedrift_dashboard.markup import layout
from imagedrift_dashboard.markup.table import Column, record, table
from support.pages import ReadPage


def test_a_table_names_its_rows() -> None:
    """Every row has its name, by which a script finds it again."""
    page = ReadPage(str(layout.document("x", table("T", [Column("A", str)], [1, 2], str))))

    assert page.keys == ["1", "2"]


def test_numbers_stand_at_the_right() -> None:
    """The head and the cells of a column of numbers have its class."""
    columns = [Column("A", str), Column("B", str, True)]
    page = ReadPage(str(layout.document("x", table("T", columns, [7], str))))

    assert [tag for tag, a in page.elements if a.get("class") == "number"] == ["th", "td"]


def test_a_record_names_its_values() -> None:
    """Each value of a record stands after its name."""
    page = ReadPage(str(layout.document("x", record([("Name", "web-1"), ("State", "well")]))))

    assert page.texts[-4:] == ["Name", "web-1", "State", "well"]
