"""Rows in columns: as wide as a terminal, and whole in a pipe."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len

from imagedrift_cli import forms
from imagedrift_cli.display import Display
from imagedrift_cli.forms import Form
from support.displays import PIPE
from support.ingest import NOW


def test_a_later_portion_widens_a_column() -> None:
    """A table in a pipe has one line a row, with no text shortened."""
    writer = forms.Writer("table", PIPE, columns=["hostname", "running"])
    first = writer.portion([{"hostname": "a", "running": 1}])

    later = writer.portion([{"hostname": "a-much-longer-name", "running": 2}])

    assert first.splitlines() == ["hostname  running", "a         1"]
    assert later.splitlines() == ["a-much-longer-name  2"]


@given(st.text(alphabet="abcäöü日本語👍-/:.", max_size=120), st.integers(20, 160))
def test_a_line_of_a_terminal_is_never_wider(text: str, width: int) -> None:
    """A row of any characters is one line that fits the terminal."""
    seen = Display(now=NOW, width=width)

    row = {"reference": text, "verdict": "outdated"}
    lines = forms.render([row], "table", seen, columns=list(row)).splitlines()

    assert len(lines) == 2
    assert all(cell_len(line) <= width for line in lines)
    assert lines[1].endswith("outdated")


@given(st.integers(1, 40))
def test_a_terminal_that_is_too_narrow_has_a_line_for_each_column(width: int) -> None:
    """No column is left out, and no number cut out of the middle of a line."""
    row = {f"column_{number}": number * 1000 for number in range(9)}
    seen = Display(now=NOW, width=width)

    lines = forms.render([row, row], "table", seen, columns=list(row)).splitlines()

    assert len(lines) == 9 + 1 + 9
    assert all(cell_len(line) <= width for line in lines)
    assert width < 14 or lines[8] == "column_8  8000"


@pytest.mark.parametrize("form", ["table", "wide", "csv", "tsv"])
def test_a_header_is_there_without_rows(form: Form) -> None:
    """A result without rows has its header."""
    out = forms.render([], form, PIPE, columns=["site", "host"])
    assert out.replace(",", " ").split() == ["site", "host"]


def test_a_pipe_has_whole_lines_and_moments_with_their_zone() -> None:
    """In a pipe nothing is shortened or folded, and times have their zone."""
    reference = f"registry.example.org/{'deep/' * 40}app:1"
    rows = [{"reference": reference, "checked_at": NOW, "error": None}] * 2

    out = forms.render(rows, "table", PIPE, columns=list(rows[0]))

    head, *lines = out.splitlines()
    assert head.split() == ["reference", "checked_at", "error"]
    assert lines == [f"{reference}  {NOW:%Y-%m-%dT%H:%M:%SZ}  -"] * 2
