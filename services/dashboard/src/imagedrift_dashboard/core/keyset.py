"""Paging by keys: a page begins after the last row of the one before, however many came since.

    ORDER BY outdated_hosts DESC, reference
    … AND (outdated_hosts < 7 OR (outdated_hosts = 7 AND reference > 'docker.io/…'))

Every key is never null, and all of them together are unique. A position in an address is the keys
of a row, as JSON in base64. It is data only: whatever stands there is passed as values.
"""

import base64
import binascii
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any, Final

import msgspec
from msgspec import Struct

from imagedrift_dashboard.core.page_fault import PageFault

ROWS: Final = 50
"""Rows of a page."""
_NAMES: Final = ("after_a", "after_b", "after_c", "after_d", "after_e", "after_f")


class SortKey(Struct, frozen=True):
    """An expression that rows are sorted by, its type in SQL, and its value in a row."""

    expression: str
    type: str
    of: Callable[[Any], object]
    descending: bool = False


def by(column: str, type: str = "text", *, descending: bool = False) -> SortKey:  # noqa: A002
    """Make a key of a column."""
    return SortKey(column, type, lambda row: getattr(row, column), descending)


def order(keys: Sequence[SortKey]) -> str:
    """Write the ORDER BY clause; empty without keys."""
    each = [key.expression + " DESC" * key.descending for key in keys]
    return f"ORDER BY {', '.join(each)}" if each else ""


def condition(keys: Sequence[SortKey]) -> str:
    """Write the condition that a row comes after the position `:after_a`, ….

    Keys of one direction are compared as a row, which an index can answer; the first one is
    repeated by itself, as it may be the only one that has an index.
    """
    values = [_cast(name, key.type) for name, key in zip(_NAMES, keys, strict=False)]
    sign = "<" if keys[0].descending else ">"
    if len({key.descending for key in keys}) == 1:
        expressions = ", ".join(key.expression for key in keys)
        whole = f"({expressions}) {sign} ({', '.join(values)})"
        return f"{keys[0].expression} {sign}= {values[0]} AND {whole}" if keys[1:] else whole
    return _nested(keys, values)


def _cast(name: str, type: str) -> str:  # noqa: A002
    """Write a value of the position, which is passed as a text."""
    return f":{name}::text" + (f"::{type}" if type != "text" else "")


def _nested(keys: Sequence[SortKey], values: Sequence[str]) -> str:
    expression, value = keys[0].expression, values[0]
    first = f"{expression} {'<' if keys[0].descending else '>'} {value}"
    if not keys[1:]:
        return first
    return f"({first} OR ({expression} = {value} AND {_nested(keys[1:], values[1:])}))"


def position(row: object, keys: Sequence[SortKey]) -> str:
    """Write the position of a row, for an address."""
    texts = [_text(key.of(row)) for key in keys]
    return base64.urlsafe_b64encode(msgspec.json.encode(texts)).decode().rstrip("=")


def read(text: str, keys: Sequence[SortKey]) -> dict[str, object]:
    """Read a position: the values of `condition`. Raises `PageFault`."""
    try:
        raw = base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
        texts = msgspec.json.decode(raw, type=list[str])
    except (binascii.Error, ValueError, msgspec.MsgspecError):
        texts = []
    if len(texts) != len(keys) or "\0" in "".join(texts):
        raise PageFault(400, "this page has no such position", "Begin with its first page.")
    return dict(zip(_NAMES, texts, strict=False))


def _text(value: object) -> str:
    match value:
        case datetime():
            return value.isoformat()
        case bool():
            return "true" if value else "false"
        case _:
            return str(value)
