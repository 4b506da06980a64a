"""Prints what makes a table, view, function or trigger as it is now, and where that stands.

python -m tools.sql_definition ops.outdated

A migration that was applied is never edited, so a later one replaces what it made. The last
`CREATE` of a name counts, with every `ALTER` after it; the schema may be left out of the name.
A function that a migration makes and drops by the same name is the old one, of other parameters.
"""

import re
import signal
import sys
from collections.abc import Iterable, Iterator, Sequence
from difflib import get_close_matches
from pathlib import Path
from typing import Final

from msgspec import Struct

MIGRATIONS: Final = (
    Path(__file__).parents[1] / "services/ingest/src/imagedrift_ingest/sql/migrations"
)
_TOKEN: Final = re.compile(r"--[^\n]*|'(?:[^']|'')*'|(\$\w*\$)|(;)", re.DOTALL)
_MAKES: Final = re.compile(
    r"(CREATE|ALTER|DROP)\s+(?:OR\s+REPLACE\s+|UNIQUE\s+|CONSTRAINT\s+)*"
    r"(TABLE|VIEW|FUNCTION|TRIGGER|INDEX)\s+(?:IF\s+(?:NOT\s+)?EXISTS\s+|ONLY\s+|CONCURRENTLY\s+)*"
    r"([\w.]+(?:\s*,\s*[\w.]+)*)",
    re.IGNORECASE,
)
_UNDO: Final = re.compile(r"^-- migrate: rollback$", re.MULTILINE)


class Statement(Struct, frozen=True):
    """A statement of a migration."""

    file: str
    line: int
    sql: str


def statements(file: str, text: str) -> Iterator[Statement]:
    """Split a migration at the semicolons outside of comments, texts and bodies."""
    start = position = 0
    while token := _TOKEN.search(text, position):
        position = token.end()
        if body := token[1]:
            position = text.index(body, position) + len(body)
        elif token[2]:
            yield _statement(file, text, start, position)
            start = position


def definitions(all_statements: Iterable[Statement]) -> dict[str, list[Statement]]:
    """Return the statements that make each name as it is now: the last one, and its changes."""
    found: dict[str, list[Statement]] = {}
    for statement in all_statements:
        if not (made := _MAKES.match(statement.sql)):
            continue
        verb, name = made[1].upper(), made[3]
        if verb == "CREATE":
            found[name] = [statement]
        elif verb == "ALTER":
            found.setdefault(name, []).append(statement)
        else:
            for dropped in re.split(r"\s*,\s*", name):
                for key in (dropped, _bare(dropped)):  # an index is made without its schema
                    if key in found and found[key][-1].file != statement.file:
                        del found[key]
    return found


def migrations(folder: Path = MIGRATIONS) -> Iterator[Statement]:
    """Read the statements of all migrations, in their order."""
    for path in sorted(folder.glob("*.sql")):
        applied, *_ = _UNDO.split(path.read_text(encoding="utf-8"), maxsplit=1)
        yield from statements(path.name, applied)


def main(words: Sequence[str]) -> int:
    """Print the definition of each name and return the exit code."""
    if not words:
        print("give a name, as ops.outdated: python -m tools.sql_definition NAME…", file=sys.stderr)
    found = definitions(migrations())
    unknown = 0
    for word in words:
        names = [name for name in found if word in (name, _bare(name))]
        if not names:
            near = ", ".join(get_close_matches(word, found)) or "--"
            print(f"{word}: no migration makes it; the nearest names: {near}", file=sys.stderr)
            unknown += 1
        for each in (statement for name in names for statement in found[name]):
            print(f"-- {each.file}:{each.line}\n{each.sql}\n")
    return 1 if unknown or not words else 0


def _bare(name: str) -> str:
    return name.rpartition(".")[2]


def _statement(file: str, text: str, start: int, end: int) -> Statement:
    """Take a statement without the comments and blank lines before it."""
    while lead := re.compile(r"\s+|--[^\n]*\n?").match(text, start, end):
        start = lead.end()
    return Statement(file, text.count("\n", 0, start) + 1, text[start:end])


if __name__ == "__main__":
    signal.signal(signal.SIGPIPE, signal.SIG_DFL)  # `… | head` ends it without a traceback
    sys.exit(main(sys.argv[1:]))
