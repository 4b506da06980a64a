"""The forms of an answer: columns for people, and JSON, CSV, TSV, YAML or lines for programs.

Every form but the table of a terminal has every row whole. JSON, YAML and lines of JSON are exact;
what a terminal would act on is escaped in them. CSV and TSV have a header, also without rows.
"""

import csv
import io
import json
from collections.abc import Sequence
from typing import Final, Literal

import msgspec

from imagedrift_cli import cells, tables
from imagedrift_cli.display import Display
from imagedrift_cli.tables import Row

Form = Literal["table", "wide", "json", "csv", "tsv", "ndjson", "yaml", "sql"]
FORMS: Final[tuple[Form, ...]] = ("table", "wide", "json", "csv", "tsv", "ndjson", "yaml", "sql")


def render(
    rows: Sequence[Row],
    form: Form,
    display: Display,
    *,
    columns: Sequence[str],
    brief: Sequence[str] = (),
    header: bool = True,
) -> str:
    """Write rows in a form. `columns` are all there are, `brief` those that a table shows."""
    match form:
        case "json":
            return as_json(rows) + "\n"
        case "ndjson":
            return "".join(f"{_safe(msgspec.json.encode(row).decode())}\n" for row in rows)
        case "yaml":
            return as_yaml(rows)
        case "csv" | "tsv":
            return as_csv(rows, columns, "\t" if form == "tsv" else ",", header=header)
        case "wide":
            endless = msgspec.structs.replace(display, width=None)
            return _lines(tables.as_table(rows, columns, endless, header=header))
        case "table" | "sql":
            shown = brief or columns
            return _lines(tables.as_table(rows, shown, display, header=header))


def as_json(rows: Sequence[Row]) -> str:
    """Write rows as a JSON array."""
    return _safe(msgspec.json.format(msgspec.json.encode(list(rows)), indent=2).decode())


def as_yaml(rows: Sequence[Row]) -> str:
    """Write rows as a YAML list of mappings."""
    import yaml  # noqa: PLC0415 - a fifth of the time that a command takes, and rarely asked for

    plain = msgspec.to_builtins(list(rows), str_keys=True)
    return str(yaml.safe_dump(plain, sort_keys=False, width=1_000_000))


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
    """Escape what a terminal would act on, so that nothing is lost."""
    if text.replace("\n", "").isprintable():
        return text
    return "".join(c if c == "\n" or c.isprintable() else json.dumps(c)[1:-1] for c in text)
