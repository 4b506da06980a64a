"""Every promise has a test, and every test of a promise is written down: both ways.

`docs/promises.md` has one row per promise; a test that holds one is named `test_p<N>_…`.
"""

import ast
import re
from collections import Counter
from pathlib import Path

ROOT = Path(__file__).parents[3]
IDS = [f"P{number}" for number in range(1, 12)]
ROW = re.compile(r"^\| (P\d+) \| [^|]+ \| (?P<tests>[^|]*) \|$", re.MULTILINE)
NAME = re.compile(r"test_p(1[01]|[1-9])_\w+")


def promised() -> dict[str, list[str]]:
    """The tests that the document lists, by promise."""
    text = (ROOT / "docs" / "promises.md").read_text(encoding="utf-8")
    return {row[1]: re.findall(r"`(\w+)`", row["tests"]) for row in ROW.finditer(text)}


def written() -> list[str]:
    """The names of all tests of a promise, wherever they stand."""
    return [
        node.name
        for path in (ROOT / "tests").rglob("test_*.py")
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and NAME.fullmatch(node.name)
    ]


def test_the_promises_are_p1_to_p11_in_order() -> None:
    """No promise is dropped, added or renumbered without this being noticed."""
    assert list(promised()) == IDS


def test_every_promise_has_a_test_of_its_name() -> None:
    """A promise without a test is only a wish."""
    of = Counter(f"P{NAME.fullmatch(name)[1]}" for name in written())  # type: ignore[index]

    assert [promise for promise in IDS if not of[promise]] == []


def test_every_test_of_a_promise_is_listed_under_it_once() -> None:
    """A name that the document lacks, or has under another promise, is corrected."""
    listed = [(promise, name) for promise, names in promised().items() for name in names]

    assert sorted(listed) == sorted((f"P{NAME.fullmatch(n)[1]}", n) for n in written())  # type: ignore[index]
