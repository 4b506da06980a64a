"""The canned questions as text: parameters, literals, and what is printed with ``--sql``."""

import csv
import io
import itertools
import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import yaml
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st

from imagedrift_cli import forms, queries
from imagedrift_cli.__main__ import main
from imagedrift_cli.forms import Form
from support.displays import ODD, PIPE
from support.ingest import NOW


def test_a_parameter_used_twice_is_one_argument() -> None:
    """A named parameter keeps one number, however often it is used."""
    text, arguments = queries.positional("a = :x OR b = :y::text OR c = :x", {"x": 1, "y": "z"})

    assert text == "a = $1 OR b = $2::text OR c = $1"
    assert arguments == [1, "z"]


@given(st.text().filter(lambda text: "\0" not in text))
def test_a_literal_cannot_end_early(text: str) -> None:
    """Any text is printed as one SQL literal."""
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
    """Without DATABASE_URL a command says which variable is missing and exits 64."""
    monkeypatch.delenv("DATABASE_URL", raising=False)

    result = CliRunner().invoke(main, ["status"])

    assert result.exit_code == 64
    assert "DATABASE_URL" in result.output


def test_an_unreachable_database_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    """A database that does not answer is told in one line, without a traceback."""
    monkeypatch.setenv("DATABASE_URL", "postgresql://nobody@127.0.0.1:1/none")

    result = CliRunner().invoke(main, ["status"])

    assert result.exit_code == 69
    assert "cannot be reached" in result.output
    assert "Traceback" not in result.output


def test_a_bad_reference_is_told_before_anything_is_asked() -> None:
    """A reference that does not parse is refused with the reason and exit code 64."""
    result = CliRunner().invoke(main, ["image", "Not A Reference"])

    assert result.exit_code == 64
    assert "Not A Reference" in result.output


def test_csv_keeps_lists_and_times_readable() -> None:
    """CSV has a header, RFC 3339 times, ISO durations, and JSON inside a cell for a list."""
    row = {
        "at": datetime(2026, 1, 2, tzinfo=UTC),
        "digests": ["a", "b"],
        "since": timedelta(hours=1),
        "none": None,
    }

    text = forms.as_csv([row], list(row))

    assert text.splitlines() == [
        "at,digests,since,none",
        '2026-01-02T00:00:00+00:00,"[""a"",""b""]",PT3600S,',
    ]


@pytest.mark.parametrize("form", ["json", "ndjson", "yaml"])
def test_the_key_of_a_decision_loses_no_digit_in_javascript(form: Form) -> None:
    """A number that a reader of JSON may round is a text; all others stay numbers."""
    row = {"decision_id": 3765912162818591121, "least": -(2**53), "hosts": 2**53 - 1, "due": True}
    written = forms.render([row], form, PIPE, columns=list(row))
    [found] = [yaml.safe_load(written)] if form == "ndjson" else yaml.safe_load(written)
    assert found == row | {"decision_id": "3765912162818591121", "least": "-9007199254740992"}
    assert type(found["due"]) is bool


@given(ODD, ODD)
def test_json_and_yaml_are_exact(text: str, other: str) -> None:
    """JSON and YAML read back as the stored values."""
    rows = [{"hostname": text, "labels": {text: other}}]
    written = forms.render(rows, "json", PIPE, columns=list(rows[0]))
    assert json.loads(written) == rows
    assert yaml.safe_load(forms.as_yaml(rows)) == rows


MANY = [
    {"hostname": f"web-{n}", "running": n, "labels": {"env": "prod"}, "checked_at": NOW}
    for n in range(7)
]

READ: dict[Form, Callable[[str], list[dict[str, Any]]]] = {
    "json": json.loads,
    "ndjson": lambda text: [json.loads(line) for line in text.splitlines()],
    "yaml": yaml.safe_load,
    "csv": lambda text: list(csv.DictReader(io.StringIO(text))),
    "tsv": lambda text: list(csv.DictReader(io.StringIO(text), delimiter="\t")),
}


@pytest.mark.parametrize("form", READ)
@pytest.mark.parametrize("cuts", [(), (0,), (1, 2), (7,), (3, 3, 6)], ids=str)
def test_rows_in_portions_are_written_as_all_at_once(form: Form, cuts: tuple[int, ...]) -> None:
    """Rows in portions are written as one document."""
    ends = [0, *cuts, len(MANY)]
    writer = forms.Writer(form, PIPE, columns=list(MANY[0]))
    portions = [writer.portion(MANY[a:b]) for a, b in itertools.pairwise(ends)]

    written = "".join([*portions, writer.end()])

    assert written == forms.render(MANY, form, PIPE, columns=list(MANY[0]))
    assert [row["hostname"] for row in READ[form](written)] == [row["hostname"] for row in MANY]


@pytest.mark.parametrize("form", READ)
def test_no_rows_are_a_document_too(form: Form) -> None:
    """A result without rows is a valid document in each form."""
    assert not READ[form](forms.render([], form, PIPE, columns=["site", "host"]))


@pytest.mark.parametrize("name", sorted(queries.statements()))
def test_every_clause_of_a_statement_is_filled_in(name: str) -> None:
    """No statement keeps a placeholder or an empty line."""
    names = ("where", "where_hosts", "query", "view", "hosts", "silent")
    clauses = dict.fromkeys(names, "WHERE true")
    assert "{" not in queries.composed(name, **clauses).replace("'{}'", "")
