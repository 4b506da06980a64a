"""Rows in columns: one line a row, a header always, no borders.

On a terminal the lines fit its width: texts are shortened in the middle, the widest first. Where
that is too narrow for all columns, each column has a line of its own. In a pipe or file nothing is
shortened, as somebody will look for it there.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Final

import click
from rich.cells import cell_len

from imagedrift_cli import cells
from imagedrift_cli.cells import Row
from imagedrift_cli.display import Display

GAP: Final = 2
HUB: Final = "docker.io/"
LEAST: Final = 8
"""Columns that a shortened text keeps."""
ELASTIC: Final = frozenset({
    "reference", "hostname", "host", "site", "error", "containers", "labels", "place", "subject",
    "degraded", "payload", "last_error", "registry", "credential", "note", "what", "pattern",
    "selector", "excused_by", "why",
})  # fmt: skip
"""The columns that may be shortened, by name or heading."""
LAST: Final = frozenset({"reason", "value", "by"})
"""The columns that are shortened last, once all others are as narrow as can be."""
STYLES: Final[Mapping[str, Mapping[str, Any]]] = {
    "current": {"fg": "green"},
    "outdated": {"fg": "red"},
    "missing": {"fg": "yellow"},
    "unknown": {"fg": "yellow"},
    "pinned": {"fg": "cyan"},
    "local": {"dim": True},
}


class Table:
    """Lays rows out in the named columns, as portions of them come.

    A name may be told as `name=heading`. A later portion widens a column where it has to; `least`
    says for what is to come how wide a column is from the first.
    """

    def __init__(
        self, names: Sequence[str], display: Display, least: Mapping[str, int] | None = None
    ) -> None:
        self._columns = [each.partition("=")[0] for each in names]
        self._headings = [each.partition("=")[2] or each for each in names]
        self._elastic = self._called(ELASTIC)
        self._last = self._called(ELASTIC | LAST)
        self._display = display
        self._least = [(least or {}).get(name, 0) for name in self._columns]

    def _called(self, names: frozenset[str]) -> list[int]:
        pairs = zip(self._columns, self._headings, strict=True)
        return [i for i, pair in enumerate(pairs) if not names.isdisjoint(pair)]

    def lines(self, rows: Sequence[Row], *, header: bool = True) -> list[str]:
        """Lay out the next rows."""
        display = self._display
        shown = [_familiar(row) for row in rows] if display.is_terminal else rows
        texts = [[_text(row.get(name), display) for name in self._columns] for row in shown]
        told = [self._headings, *texts] if header else texts
        if not told:
            return []
        widest = [max(map(cells.width, each)) for each in zip(*told, strict=True)]
        widths = list(map(max, widest, self._least))
        gap = GAP
        if display.width is not None:
            gap, widths = _fit((self._elastic, self._last), widths, display.width)
            if texts and _wide(widths, gap) > display.width:
                return self._as_lines(texts)
            told = _shortened(told, widths, display)
        self._least = widths
        lines = [_line(each, widths, gap, display) for each in told]
        if display.has_colours:
            lines = _coloured(lines, rows, self._columns, widths, gap, header=header)
        return lines

    def _as_lines(self, texts: Sequence[Sequence[str]]) -> list[str]:
        """Tell each row in lines of its own, where no line has room for all of its columns."""
        display = self._display
        heads = max(map(cells.width, self._headings))
        lines: list[str] = []
        for row in texts:
            told = zip(self._headings, row, strict=True)
            lines += [f"{cells.pad(name, heads)}  {text}" for name, text in told]
            lines.append("")
        room = display.width or 0
        return [cells.shorten(line, room, display.ellipsis) for line in lines[:-1]]


def chosen(brief: Sequence[str], rows: Sequence[Row], display: Display) -> list[str]:
    """Choose the columns of a table: those with a mark go where they tell nothing apart."""
    return [
        name.replace("?", "") for name in brief
        if "?" not in name or not display.is_terminal or _tells(name.partition("?")[0], rows)
    ]  # fmt: skip


def _tells(name: str, rows: Sequence[Row]) -> bool:
    match name:
        case "host":
            return _is_ambiguous(rows)
        case "site" | "hostname":
            return len({row[name] for row in rows}) > 1
        case _:
            return any(row[name] for row in rows)


def _is_ambiguous(rows: Sequence[Row]) -> bool:
    """Whether a name of a host is missing, or that of two."""
    hosts = {(row.get("site"), row["host"]): row.get("hostname") for row in rows}
    names = [(site, name) for (site, _), name in hosts.items() if name]
    return len(set(names)) < len(hosts)


def as_table(rows: Sequence[Row], names: Sequence[str], display: Display) -> list[str]:
    """Lay all rows out below their header."""
    return Table(names, display).lines(rows)


def as_records(rows: Sequence[Row], display: Display) -> list[str]:
    """Lay each row out as lines of `column value`, with all columns."""
    lines: list[str] = []
    for row in rows:
        width = max(map(cell_len, row), default=0)
        for name, value in row.items():
            text = cells.whole(value)
            aside = f" ({cells.brief(value, display.now)})" if hasattr(value, "tzinfo") else ""
            lines.append(f"{cells.pad(name, width)}  {text}{aside}")
        lines.append("")
    return lines[:-1]


def _text(value: Any, display: Display) -> str:
    if display.is_terminal:
        return cells.brief(value, display.now, display.ellipsis)
    return cells.whole(value)


def _familiar(row: Row) -> Row:
    """Write an image of Docker Hub as people do, and as each command reads it."""
    text = row.get("reference")
    if not isinstance(text, str) or not text.startswith(HUB):
        return row
    return row | {"reference": text.removeprefix(HUB).removeprefix("library/")}


def _fit(
    elastic: tuple[Sequence[int], Sequence[int]], widths: list[int], room: int
) -> tuple[int, list[int]]:
    """Narrow the widest elastic columns until all fit, then the gaps, then the last columns."""
    narrowed = list(widths)
    for gap, columns in ((GAP, elastic[0]), (1, elastic[0]), (1, elastic[1])):
        free = room - gap * (len(widths) - 1)
        while sum(narrowed) > free:
            widest = max(columns, key=lambda i: narrowed[i], default=None)
            if widest is None or narrowed[widest] <= LEAST:
                break
            narrowed[widest] -= 1
        if sum(narrowed) <= free:
            return gap, narrowed
    return 1, narrowed


def _shortened(
    told: Sequence[Sequence[str]], widths: Sequence[int], display: Display
) -> list[list[str]]:
    """Shorten the texts of each column so that they stay different."""
    columns = zip(zip(*told, strict=True), widths, strict=True)
    cut = [cells.shorten_apart(texts, width, display.ellipsis) for texts, width in columns]
    return [list(row) for row in zip(*cut, strict=True)]


def _wide(widths: Sequence[int], gap: int) -> int:
    return sum(widths) + gap * (len(widths) - 1)


def _line(texts: Sequence[str], widths: Sequence[int], gap: int, display: Display) -> str:
    padded = (" " * gap).join(map(cells.pad, texts, widths)).rstrip()
    return cells.shorten(padded, display.width, display.ellipsis) if display.width else padded


def _coloured(
    lines: list[str],
    rows: Sequence[Row],
    columns: Sequence[str],
    widths: Sequence[int],
    gap: int,
    *,
    header: bool,
) -> list[str]:
    """Colour the verdict of each line, and the header."""
    told = [click.style(lines[0], bold=True)] if header else []
    if "verdict" not in columns:
        return told + lines[len(told) :]
    at = columns.index("verdict")
    start = sum(widths[:at]) + gap * at
    for line, row in zip(lines[len(told) :], rows, strict=True):
        verdict = str(row.get("verdict"))
        before = line[:start] if cell_len(line[:start]) == start else ""
        found = line.find(verdict, len(before))
        if found < 0 or verdict not in STYLES:
            told.append(line)
            continue
        end = found + len(verdict)
        told.append(line[:found] + click.style(verdict, **STYLES[verdict]) + line[end:])
    return told
