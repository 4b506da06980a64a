"""The glossary stays short, and a reader of the first pages finds it."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
MOST_TERMS = 45


def terms() -> list[str]:
    """The first cell of each row of the glossary."""
    text = (ROOT / "docs" / "glossary.md").read_text(encoding="utf-8")
    return re.findall(r"^\| ([^|]+) \| [^|]+ \| [^|]+ \|$", text, re.MULTILINE)[1:]


def test_the_glossary_has_at_most_45_terms_of_one_line_each() -> None:
    """Every row is one term with its meaning and a synonym, and no term has two rows."""
    page = (ROOT / "docs" / "glossary.md").read_text(encoding="utf-8")
    rows = [line for line in page.splitlines() if line.startswith("|")][2:]

    assert len(rows) == len(terms()) == len(set(terms()))
    assert 0 < len(rows) <= MOST_TERMS


@pytest.mark.parametrize("page", ["README.md", "ARCHITECTURE.md"])
def test_the_first_pages_link_to_the_glossary(page: str) -> None:
    """A reader of README or ARCHITECTURE is one click away from the words."""
    assert "](docs/glossary.md)" in (ROOT / page).read_text(encoding="utf-8")
