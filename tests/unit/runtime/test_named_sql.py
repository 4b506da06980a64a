"""A file of named statements is read into each statement and what is said of it."""

from imagedrift_runtime.named_sql import Statement, read

FILE = """\
-- What the file is about.

-- name: first
-- What is
-- asked?
SELECT 1, -- the only one
  2;
-- In between.

-- name: second
SELECT '--;';

"""


def test_each_statement_is_read_with_its_comment() -> None:
    """Comments at the margin and the last semicolon are no part of a statement; others are."""
    assert read(FILE) == {
        "first": Statement("What is\nasked?", "SELECT 1, -- the only one\n  2"),
        "second": Statement("", "SELECT '--;'"),
    }


def test_a_file_without_names_has_no_statements() -> None:
    """Only what has a name is a statement."""
    assert read("SELECT 1;\n") == {}
