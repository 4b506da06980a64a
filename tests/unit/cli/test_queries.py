"""The canned questions as text: parameters, literals, and what is printed with ``--sql``."""

import csv
import io
import json
import unicodedata
from datetime import UTC, datetime, timedelta

import pytest
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from imagedrift_cli import queries, tables
from imagedrift_cli.__main__ import main
from imagedrift_cli.tables import Form


def test_a_parameter_used_twice_is_one_argument() -> None:
    """A named parameter keeps one number however often it is used, and casts are left alone."""
    text, arguments = queries.positional("a = :x OR b = :y::text OR c = :x", {"x": 1, "y": "z"})

    assert text == "a = $1 OR b = $2::text OR c = $1"
    assert arguments == [1, "z"]


@given(st.text().filter(lambda text: "\0" not in text))
def test_a_literal_cannot_end_early(text: str) -> None:
    """Whatever the text, what is printed is one SQL literal."""
    literal = queries.filled_in("SELECT :x", {"x": text}).removeprefix("SELECT ").removesuffix(";")

    assert literal[0] == literal[-1] == "'"
    assert literal[1:-1].replace("''", "") == text.replace("'", "")


@pytest.mark.parametrize("arguments", [["status"], ["outdated", "--label", "env=prod"], ["errors"]])
def test_the_query_is_printed_without_a_database(arguments: list[str]) -> None:
    """``--sql`` prints a runnable statement and needs no database."""
    result = CliRunner().invoke(main, [*arguments, "--sql"])

    assert result.exit_code == 0
    assert result.output.lstrip().startswith("SELECT")
    assert result.output.rstrip().endswith(";")
    assert ":" not in result.output.replace("::", "").replace('"env": ', "")


def test_a_missing_database_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without DATABASE_URL a command says which variable is missing and exits 2."""
    monkeypatch.delenv("DATABASE_URL", raising=False)

    result = CliRunner().invoke(main, ["status"])

    assert result.exit_code == 2
    assert "DATABASE_URL" in result.output


def test_an_unreachable_database_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    """A database that does not answer is told in one line, without a traceback."""
    monkeypatch.setenv("DATABASE_URL", "postgresql://nobody@127.0.0.1:1/none")

    result = CliRunner().invoke(main, ["status"])

    assert result.exit_code == 2
    assert "cannot be reached" in result.output
    assert "Traceback" not in result.output


def test_a_bad_reference_is_told_before_anything_is_asked() -> None:
    """A reference that does not parse is refused with the reason and exit code 2."""
    result = CliRunner().invoke(main, ["image", "Not A Reference"])

    assert result.exit_code == 2
    assert "Not A Reference" in result.output


def test_csv_keeps_lists_and_times_readable() -> None:
    """CSV has a header, RFC 3339 times, ISO durations, and JSON inside a cell for a list."""
    row = {
        "at": datetime(2026, 1, 2, tzinfo=UTC),
        "digests": ["a", "b"],
        "since": timedelta(hours=1),
        "none": None,
    }

    text = tables.as_csv([row])

    assert text.splitlines() == [
        "at,digests,since,none",
        '2026-01-02T00:00:00+00:00,"[""a"",""b""]",PT3600S,',
    ]


@pytest.mark.parametrize(
    ("value", "said"),
    [
        (timedelta(seconds=9), "9 s"),
        (timedelta(minutes=61), "1 h 1 min"),
        (timedelta(days=3, hours=4, minutes=5), "3 d 4 h"),
    ],
)
def test_a_duration_is_said_in_two_units(value: timedelta, said: str) -> None:
    """A duration is shown in its two largest units."""
    assert tables.duration(value) == said


@pytest.mark.parametrize("text", ["[/red]", "[red]", "a\\[b]", "[link=x]y"])
def test_what_looks_like_markup_is_shown_as_it_is(text: str) -> None:
    """Labels, names and titles come from hosts: none of them colours or breaks a table."""
    console = Console(width=100, record=True, file=io.StringIO())
    row = {"labels": {"k": text}, "hostname": text, "containers": [text]}

    tables.show([row], "table", title=text, console=console)
    tables.show([row, row], "table", title=text, console=console)

    assert console.export_text().count(text) == 2 + 3 * 3


ODD = st.text(max_size=30)


@given(ODD, ODD, st.sampled_from(["table", "csv"]))
def test_nothing_that_a_terminal_acts_on_is_printed(text: str, other: str, form: Form) -> None:
    """Control characters and marks of direction, in names, labels, lists and titles."""
    out = io.StringIO()
    row = {"hostname": text, "verdict": other, "labels": {text: other}, "containers": [text, other]}

    tables.show([row], form, title=text, console=Console(width=200, file=out))
    tables.show([row, row], form, title=text, console=Console(width=200, file=out))

    assert {unicodedata.category(c) for c in out.getvalue() if c != "\n"}.isdisjoint(
        {"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"}
    )


@given(ODD, ODD)
def test_json_is_exact_and_safe_to_print(text: str, other: str) -> None:
    """What is read back is what is stored, and no character of it moves a cursor."""
    out = io.StringIO()
    rows = [{"hostname": text, "labels": {text: other}}]
    tables.show(rows, "json", console=Console(width=200, file=out))
    assert json.loads(out.getvalue()) == rows
    assert out.getvalue().replace("\n", "").isprintable()


@pytest.mark.parametrize(
    ("value", "cell"),
    [
        ("=cmd|' /C calc'!A0", "'=cmd|' /C calc'!A0"),
        ("+1", "'+1"),
        ("-1", "'-1"),
        ("@SUM(A1)", "'@SUM(A1)"),
        ("\t=1", "' =1"),
        ("\r\n=1", "'  =1"),
        ("\uff1d1", "'\uff1d1"),
        ("a=b", "a=b"),
        ("web-1", "web-1"),
        (-1, "-1"),
        (1.5, "1.5"),
        (True, "True"),
        (["=1"], '["=1"]'),
    ],
)
def test_no_cell_of_csv_is_a_formula(value: object, cell: str) -> None:
    """A spreadsheet runs no text of a host; numbers stay numbers."""
    written = tables.as_csv([{"value": value}])
    assert [*csv.reader(io.StringIO(written))] == [["value"], [cell]]
