"""How one value is written: exactly for programs, briefly for people."""

import csv
import io
import unicodedata
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from imagedrift_cli import cells, forms
from imagedrift_cli.display import Display
from imagedrift_cli.forms import Form
from support.displays import ODD, PIPE
from support.ingest import NOW

TERMINAL = Display(now=NOW, width=80)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (timedelta(seconds=9), "9 s"),
        (timedelta(minutes=61), "1 h 1 min"),
        (timedelta(days=3, hours=4, minutes=5), "3 d 4 h"),
    ],
)
def test_a_duration_is_said_in_two_units(value: timedelta, text: str) -> None:
    """A duration is shown in its two largest units."""
    assert cells.duration(value) == text


@given(ODD, ODD, st.sampled_from(forms.FORMS), st.sampled_from([TERMINAL, PIPE]))
def test_nothing_that_a_terminal_acts_on_is_printed(
    text: str, other: str, form: Form, seen: Display
) -> None:
    """No form prints control characters or bidi marks."""
    row = {"hostname": text, "verdict": other, "labels": {text: other}, "containers": [text, other]}

    out = forms.render([row, row], form, seen, columns=list(row))

    assert {unicodedata.category(c) for c in out if c not in "\n\t"}.isdisjoint(
        {"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"}
    )


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
    """No text in CSV is a formula, and numbers stay numbers."""
    written = forms.as_csv([{"value": value}], ["value"])
    assert [*csv.reader(io.StringIO(written))] == [["value"], [cell]]
