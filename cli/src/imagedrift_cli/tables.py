"""How rows are shown: a table for people, JSON or CSV for programs.

JSON is one array of objects with times as RFC 3339 and durations as ISO 8601; CSV has a header.
A single row is shown as a list of its columns, as it would not fit a line.

What is shown came from hosts and registries, maybe before a rule that cleans it: in a table and in
CSV whatever is no plain text is replaced, in JSON escaped. No text is taken for markup, and no
cell for a formula.
"""

import csv
import io
import json
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any, Literal

import msgspec
from rich.console import Console
from rich.table import Table
from rich.text import Text

from imagedrift_schemas.text import cleaned

Form = Literal["table", "json", "csv"]
Row = dict[str, Any]

MOST_SHOWN = 10_000
"""Characters of a cell; a spreadsheet has room for three times as many."""
FORMULA = ("=", "+", "-", "@", "\uff1d", "\uff0b", "\uff0d", "\uff20")
"""What a spreadsheet takes for the beginning of a formula, full-width forms included."""

COLOURS = {
    "current": "green",
    "outdated": "red",
    "missing": "yellow",
    "unknown": "yellow",
    "pinned": "cyan",
    "local": "dim",
}


def show(
    rows: Sequence[Row], form: Form, *, title: str = "", console: Console | None = None
) -> None:
    """Print rows in the asked form."""
    out = console or Console()
    match form:
        case "json":
            out.out(as_json(rows))
        case "csv":
            out.out(as_csv(rows), end="")
        case "table":
            out.print(as_table(rows, title) if len(rows) != 1 else as_list(rows[0], title))


def as_json(rows: Sequence[Row]) -> str:
    """Write rows as a JSON array; what a terminal would act on is escaped, so nothing is lost."""
    text = msgspec.json.format(msgspec.json.encode(list(rows)), indent=2).decode()
    if text.replace("\n", "").isprintable():
        return text
    return "".join(c if c == "\n" or c.isprintable() else json.dumps(c)[1:-1] for c in text)


def as_csv(rows: Sequence[Row]) -> str:
    """Write rows as CSV with a header; lists and objects as JSON inside their cell."""
    text = io.StringIO()
    if rows:
        writer = csv.writer(text, lineterminator="\n")
        writer.writerow(rows[0])
        writer.writerows([[_flat(value) for value in row.values()] for row in rows])
    return text.getvalue()


def as_table(rows: Sequence[Row], title: str = "") -> Table:
    """Lay rows out as a table."""
    table = Table(title=_title(title), title_justify="left")
    if not rows:
        table.add_column("nothing found")
        return table
    for column in rows[0]:
        table.add_column(column, overflow="fold")
    for row in rows:
        table.add_row(*[_cell(column, value) for column, value in row.items()])
    return table


def as_list(row: Row, title: str = "") -> Table:
    """Lay one row out as a list of its columns."""
    table = Table("column", "value", title=_title(title), title_justify="left")
    for column, value in row.items():
        table.add_row(column, _cell(column, value))
    return table


def _title(text: str) -> Text | None:
    return Text(_shown(text)) if text else None


def _shown(value: object) -> str:
    return cleaned(str(value), MOST_SHOWN)


def _flat(value: Any) -> str:
    match value:
        case None:
            return ""
        case datetime():
            return value.isoformat()
        case list() | dict() | timedelta():
            return _shown(msgspec.json.encode(value).decode().strip('"'))
        case str():
            return _no_formula(_shown(value))
        case _:
            return str(value)


def _no_formula(text: str) -> str:
    """Keep a spreadsheet from running a text; numbers are not texts."""
    return "'" + text if text.lstrip().startswith(FORMULA) else text


def _cell(column: str, value: Any) -> Text:
    match value:
        case None:
            return Text("–", style="dim")
        case str() if column == "verdict":
            return Text(_shown(value), style=COLOURS.get(value, "white"))
        case list():
            return Text("\n".join(map(_short, value)))
        case _:
            return Text(_said(value))


def _said(value: Any) -> str:
    match value:
        case datetime():
            return value.strftime("%Y-%m-%d %H:%M:%S")
        case timedelta():
            return duration(value)
        case dict():
            return _shown(", ".join(f"{key}={item}" for key, item in value.items()))
        case bool():
            return "yes" if value else "no"
        case int():
            return f"{value:,}"
        case _:
            return _short(value)


def _short(value: object) -> str:
    """Cut a digest to what a person compares; the other forms give it whole."""
    text = _shown(value)
    return text[:19] + "…" if text.startswith(("sha256:", "sha512:")) else text


def duration(value: timedelta) -> str:
    """Say a duration in its two largest units: ``3 d 4 h``."""
    seconds = int(value.total_seconds())
    units = [("d", seconds // 86_400), ("h", seconds // 3600 % 24), ("min", seconds // 60 % 60)]
    said = [f"{amount} {unit}" for unit, amount in units if amount]
    return " ".join(said[:2]) or f"{seconds} s"
