"""Every rule of `docs/safeguards.md` names tests that exist, as file and function."""

import ast
import re
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
PAGE = ROOT / "docs" / "safeguards.md"
ROW = re.compile(r"^\| (?!harm |---)[^|]+ \| [^|]+ \| (?P<tests>[^|]+) \|$", re.MULTILINE)
TEST = re.compile(r"`(?P<path>tests/[\w/]+/test_\w+\.py)::(?P<name>test_\w+)`")


def rows() -> list[str]:
    """The tests of each row, as they are written."""
    return [row["tests"] for row in ROW.finditer(PAGE.read_text(encoding="utf-8"))]


@cache
def functions_of(path: Path) -> frozenset[str]:
    """The names of a file's functions; none where there is no such file."""
    if not path.is_file():
        return frozenset()
    tree = ast.parse(path.read_text(encoding="utf-8"))
    functions = ast.FunctionDef | ast.AsyncFunctionDef
    return frozenset(node.name for node in tree.body if isinstance(node, functions))


def test_every_safeguard_names_tests_by_file_and_function() -> None:
    """Each line of a table is a row of three cells, whose last one has names of tests alone."""
    lines = [line for line in PAGE.read_text(encoding="utf-8").splitlines() if line[:1] == "|"]
    headings = [line for line in lines if line.startswith(("| harm ", "|---"))]

    assert len(rows()) == len(lines) - len(headings) > len(headings)
    assert [row for row in rows() if not all(map(TEST.fullmatch, row.split("<br>")))] == []


def test_every_test_of_a_safeguard_exists() -> None:
    """A test that was renamed, moved or deleted is found by the row that names it."""
    named = [test for row in rows() for test in TEST.finditer(row)]
    missing = [test[0] for test in named if test["name"] not in functions_of(ROOT / test["path"])]

    assert named
    assert missing == []


@pytest.mark.parametrize("page", ["README.md", "ARCHITECTURE.md", "CONTRIBUTING.md"])
def test_the_first_pages_link_to_the_safeguards(page: str) -> None:
    """An operator, a reader of the code and who changes it are one click away from the rules."""
    assert "](docs/safeguards.md)" in (ROOT / page).read_text(encoding="utf-8")
