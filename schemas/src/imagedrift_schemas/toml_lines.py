"""On which line each key of a TOML text stands: its parser keeps no lines, and faults name them.

Each statement is parsed by itself, from its first line until it is whole.
"""

import tomllib
from collections.abc import Iterator, Mapping
from typing import Any, Final

KeyPath = tuple[str, ...]

MOST_LINES: Final = 1000
"""Of one statement; a longer one is passed over line by line."""


class TomlLines:
    """The lines of the keys of a text that is TOML."""

    def __init__(self, text: str) -> None:
        self._lines = _key_lines(text.split("\n"))

    def of(self, path: KeyPath) -> int:
        """Return the line on which a key is first named, or the nearest table around it."""
        parts = (path[:length] for length in range(len(path), 0, -1))
        return next((self._lines[part] for part in parts if part in self._lines), 1)


def _key_lines(lines: list[str]) -> dict[KeyPath, int]:
    found: dict[KeyPath, int] = {}
    table: KeyPath = ()
    start = 0
    while start < len(lines):
        statement, end = _statement(lines, start)
        paths = [*_paths(statement)]
        if lines[start].lstrip().startswith("["):
            table = max(paths, key=len, default=())
        else:
            paths = [(*table, *path) for path in paths]
        for path in paths:
            found.setdefault(path, start + 1)
        start = end
    return found


def _statement(lines: list[str], start: int) -> tuple[Mapping[str, Any], int]:
    """Parse the statement that begins on a line, and return its values and the line after it."""
    for end in range(start + 1, min(start + MOST_LINES, len(lines)) + 1):
        try:
            return tomllib.loads("\n".join(lines[start:end]) + "\n"), end
        except ValueError:
            continue
    return {}, start + 1


def _paths(table: Mapping[str, Any]) -> Iterator[KeyPath]:
    for key, value in table.items():
        yield (key,)
        if isinstance(value, Mapping):
            yield from ((key, *path) for path in _paths(value))
