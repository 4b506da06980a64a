"""The named statements of ingest's SQL files."""

import importlib.resources
import re

import pytest

from imagedrift_ingest.adapters.postgres.statements import load

FILES = sorted(
    path.name.removesuffix(".sql")
    for path in (importlib.resources.files("imagedrift_ingest") / "sql" / "statements").iterdir()
    if path.name.endswith(".sql")
)


@pytest.mark.parametrize("file", FILES)
def test_every_file_is_read_by_name_and_once(file: str) -> None:
    """Each statement has a name and a text; a second reader gets the same ones."""
    statements = load(file)

    assert statements
    assert all(name and sql.strip() for name, sql in statements.items())
    assert load(file) is statements


@pytest.mark.parametrize("file", FILES)
def test_no_statement_compares_text_with_an_array_but_by_a_join(file: str) -> None:
    """A generic plan over a young table compares each row with each element of `= any($1)`.

    A thousand references then cost a tenth of a second; a join costs one look-up for each.
    """
    comparing = [n for n, sql in load(file).items() if re.search(r"= any\(\$\d+::text\[\]", sql)]

    assert not comparing


def test_a_file_that_is_not_there_is_a_defect() -> None:
    """It is told at the import, and not at the first query."""
    with pytest.raises(FileNotFoundError):
        load("no_such_file")
