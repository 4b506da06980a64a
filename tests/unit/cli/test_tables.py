"""Rows in columns: as wide as a terminal, and whole in a pipe."""

from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len

from imagedrift_cli import cells, forms
from imagedrift_cli.cells import Row
from imagedrift_cli.display import Display
from imagedrift_cli.forms import Form
from imagedrift_cli.tables import as_table, chosen
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


HOSTS_OF_AN_IMAGE = ("site?", "hostname", "host?", "verdict", "reason", "running", "digests")


def host_rows(*names: tuple[str, str]) -> list[Row]:
    """Rows of one image, one for each hostname and id."""
    same = {"verdict": "outdated", "reason": "platform_differs", "running": 1}
    digests = ["sha256:" + "a1" * 32]
    return [
        {"site": "fra1", "hostname": name, "host": host, "digests": digests} | same
        for name, host in names
    ]


def table(rows: Sequence[Row], width: int = 80) -> list[str]:
    """The rows on a terminal."""
    seen = Display(now=NOW, width=width)
    return as_table(rows, chosen(HOSTS_OF_AN_IMAGE, rows, seen), seen)


def test_names_that_differ_at_their_beginning_stay_different() -> None:
    """Hosts of one domain are told apart on a terminal that has no room for the domain."""
    rows = host_rows(*((f"host-{n:06}.demo.example.org", f"host-{n:06}") for n in range(3)))

    head, *lines = table(rows, 70)

    assert "host " not in head.replace("hostname", "")
    assert len(set(lines)) == 3
    assert all(cell_len(line) <= 70 for line in [head, *lines])
    assert "000002" in lines[2]


@given(st.text("ab", max_size=40), st.text("ab", max_size=40), st.integers(8, 30))
def test_names_that_differ_in_four_digits_stay_different(
    before: str, after: str, width: int
) -> None:
    """Wherever these are, so that two hosts never look alike."""
    texts = [f"{before}{number:04}{after}" for number in (1, 20, 301, 4000)]

    told = cells.shorten_apart(texts, width)

    assert len(set(told)) == 4
    assert all(cell_len(text) <= width for text in told)


def test_two_hosts_of_one_name_have_their_ids_beside_it() -> None:
    """The id is shown where the name is that of two, or none."""
    for names in ((("web-1", "a"), ("web-1", "b")), (("", "a"), ("web-1", "b"))):
        lines = table(host_rows(*names))
        assert [line.split()[1] for line in lines] == ["host", "a", "b"]


def test_every_host_is_one_line_on_80_columns() -> None:
    """A reason is shortened before a row falls into lines."""
    rows = host_rows(("x" * 255, "a"), ("x" * 255, "b" * 63))
    rows[0]["site"] = "frankfurt"

    lines = table(rows)

    assert len(lines) == 3
    assert all(cell_len(line) <= 80 for line in lines)
    assert len(set(lines)) == 3


@given(st.text(alphabet="ae\u0301\u0308日", min_size=30, max_size=60), st.integers(5, 20))
def test_a_mark_is_not_parted_from_its_character(text: str, width: int) -> None:
    """The text behind the ellipsis begins with a character of its own."""
    short = cells.shorten(text, width)
    assert cell_len(short) <= width
    _, mark, after = short.partition("…")
    assert not mark or not after or cell_len(after[0])
