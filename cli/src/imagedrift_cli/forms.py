"""The forms of an answer: columns for people, and JSON, CSV, TSV, YAML or lines for programs.

Every form but the table of a terminal has every row whole. JSON, YAML and lines of JSON are exact;
what a terminal would act on is escaped in them. CSV and TSV have a header, also without rows.

A whole number that not every reader of JSON has exactly is a text in JSON, YAML and lines of JSON:
JavaScript and jq round the keys of decisions and plans (RFC 8259, section 6).
"""

import csv
import io
import json
from collections.abc import Mapping, Sequence
from typing import Final, Literal

import msgspec

from imagedrift_cli import cells, tables
from imagedrift_cli.cells import Row
from imagedrift_cli.display import Display

Form = Literal["table", "wide", "json", "csv", "tsv", "ndjson", "yaml", "sql", "records"]
"""`records` is the form of a single row on a terminal; no option asks for it."""
FORMS: Final[tuple[Form, ...]] = ("table", "wide", "json", "csv", "tsv", "ndjson", "yaml", "sql")


EXACT: Final = range(-(2**53) + 1, 2**53)
"""The whole numbers that each reader of JSON has exactly."""


class Writer:
    """Writes rows in one form, as portions of them come: all of it is the portions and the end."""

    def __init__(
        self,
        form: Form,
        display: Display,
        *,
        columns: Sequence[str],
        brief: Sequence[str] = (),
        header: bool = True,
        least: Mapping[str, int] | None = None,
    ) -> None:
        self._form = form
        self._columns = columns
        self._header = header
        self._has_rows = False
        self._display = display
        is_wide = form == "wide"
        fitted = msgspec.structs.replace(display, width=None) if is_wide else display
        self._table = tables.Table(columns if is_wide else brief or columns, fitted, least or {})

    def portion(self, rows: Sequence[Row]) -> str:
        """Write the next rows; the first portion has the header, also without a row."""
        header, self._header = self._header, False
        has_rows, self._has_rows = self._has_rows, self._has_rows or bool(rows)
        match self._form:
            case "json":
                return ("," if has_rows else "[") + _elements(rows) if rows else ""
            case "ndjson":
                lines = (msgspec.json.encode(row).decode() for row in _exact(rows))
                return "".join(f"{_safe(line)}\n" for line in lines)
            case "yaml":
                return as_yaml(_exact(rows)) if rows else ""
            case "csv" | "tsv":
                delimiter = "\t" if self._form == "tsv" else ","
                return as_csv(rows, self._columns, delimiter, header=header)
            case "table" | "wide" | "sql":
                return _lines(self._table.lines(rows, header=header))
            case "records":
                return _lines(tables.as_records(rows, self._display))

    def end(self) -> str:
        """Write the end of the answer, below the last row or for none."""
        match self._form:
            case "json":
                return "\n]\n" if self._has_rows else "[]\n"
            case "yaml":
                return "" if self._has_rows else "[]\n"
            case _:
                return ""


def render(
    rows: Sequence[Row],
    form: Form,
    display: Display,
    *,
    columns: Sequence[str],
    brief: Sequence[str] = (),
    header: bool = True,
) -> str:
    """Write all rows in a form. `columns` are all there are, `brief` those that a table shows."""
    writer = Writer(form, display, columns=columns, brief=brief, header=header)
    return writer.portion(rows) + writer.end()


def _elements(rows: Sequence[Row]) -> str:
    """Write rows as elements of a JSON array, without its brackets."""
    array = msgspec.json.format(msgspec.json.encode(_exact(rows)), indent=2).decode()
    return _safe(array[1:-2])


def _exact(rows: Sequence[Row]) -> list[Row]:
    """Write the whole numbers of rows as texts that some readers of JSON would round."""
    return [
        {name: str(value) if _is_rounded(value) else value for name, value in row.items()}
        for row in rows
    ]


def _is_rounded(value: object) -> bool:
    return type(value) is int and value not in EXACT


def as_yaml(value: object) -> str:
    """Write rows as a YAML list of mappings, or any other value that JSON has."""
    import yaml  # noqa: PLC0415 - a fifth of the time that a command takes, and rarely asked for

    plain = msgspec.to_builtins(value, str_keys=True)
    dumper = getattr(yaml, "CSafeDumper", yaml.SafeDumper)  # ten times as fast, where it is built
    return str(yaml.dump(plain, Dumper=dumper, sort_keys=False, width=1_000_000))


def as_csv(
    rows: Sequence[Row], columns: Sequence[str], delimiter: str = ",", *, header: bool = True
) -> str:
    """Write rows as CSV or TSV; lists and objects as JSON inside their cell."""
    text = io.StringIO()
    writer = csv.writer(text, delimiter=delimiter, lineterminator="\n")
    if header:
        writer.writerow(columns)
    writer.writerows([[cells.no_formula(row[name]) for name in columns] for row in rows])
    return text.getvalue()


def _lines(lines: Sequence[str]) -> str:
    return "".join(f"{line}\n" for line in lines)


def _safe(text: str) -> str:
    """Escape the control characters of a terminal, so that nothing is lost."""
    if text.replace("\n", "").isprintable():
        return text
    return "".join(c if c == "\n" or c.isprintable() else json.dumps(c)[1:-1] for c in text)
