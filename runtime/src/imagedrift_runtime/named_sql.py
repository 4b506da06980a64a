"""Reads the named statements of a `.sql` file.

A file is a sequence of

    -- name: store_hosts
    -- What it does, for whoever reads the file.
    INSERT …;

A statement may have parameters as `:name`. The same text that runs can be shown, with its values
filled in, so that an operator can carry on from it in psql.
"""

import re
from collections.abc import Mapping
from itertools import takewhile
from typing import Final

from msgspec import Struct

_NAME: Final = re.compile(r"^-- name: (\w+)$", re.MULTILINE)
_COMMENT: Final = "--"
_PARAMETER: Final = re.compile(r"(?<![:\w]):([a-z_]+)\b")


class Statement(Struct, frozen=True):
    """One statement, with the facts of its first lines."""

    comment: str
    sql: str
    """Without its comments at the margin, and without the semicolon."""


def read(text: str) -> dict[str, Statement]:
    """Return the statements of a file by name, in their order."""
    parts = _NAME.split(text)
    return dict(zip(parts[1::2], map(_statement, parts[2::2]), strict=True))


def positional(statement: str, values: Mapping[str, object]) -> tuple[str, list[object]]:
    """Turn ``:name`` into ``$1``…, as the driver wants it: the text and its arguments."""
    order: list[str] = []

    def number(match: re.Match[str]) -> str:
        name = match[1]
        if name not in order:
            order.append(name)
        return f"${order.index(name) + 1}"

    return _PARAMETER.sub(number, statement), [values[name] for name in order]


def filled_in(statement: str, values: Mapping[str, object]) -> str:
    """Write the statement with its values as literals, to be run in psql as it is."""
    return _PARAMETER.sub(lambda match: _literal(values[match[1]]), statement) + ";"


def _statement(part: str) -> Statement:
    lines = part.strip().splitlines()
    comment = takewhile(lambda line: line.startswith(_COMMENT), lines)
    sql = "\n".join(line for line in lines if not line.startswith(_COMMENT))
    return Statement(
        comment="\n".join(line.removeprefix(_COMMENT).strip() for line in comment),
        sql=sql.strip().removesuffix(";"),
    )


def _literal(value: object) -> str:
    match value:
        case None:
            return "NULL"
        case bool():
            return "true" if value else "false"
        case int():
            return str(value)
        case tuple() | list():
            return f"ARRAY[{', '.join(map(_literal, value))}]"
        case _:
            return "'" + str(value).replace("'", "''") + "'"
