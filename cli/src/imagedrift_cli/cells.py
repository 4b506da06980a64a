"""How one value is written for a terminal: as short as a person needs it.

How a value is written exactly, and how times are, is `imagedrift_runtime.value_text`.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta
from itertools import takewhile
from typing import Any, Final

from rich.cells import cell_len, set_cell_size

from imagedrift_runtime.value_text import age, clean, duration, exact, no_formula, whole

__all__ = [
    "Row",
    "age",
    "brief",
    "duration",
    "exact",
    "no_formula",
    "pad",
    "shorten",
    "shorten_apart",
    "whole",
    "width",
]

Row = dict[str, Any]
"""A row of a query, or of a list of ours: columns by their names, in order."""

DIGEST_SHOWN: Final = 19
"""Characters of a digest that a person compares: the algorithm and twelve digits."""
MIDDLE: Final = 0.4
"""The share of its beginning that a text keeps which is shortened in its middle."""


def width(text: str) -> int:
    """Count the columns that a text takes on a terminal."""
    return len(text) if text.isascii() and text.isprintable() else cell_len(text)


def brief(value: Any, now: datetime, ellipsis: str = "…") -> str:
    """Write a value for a person at a terminal: times as ages, digests cut."""
    match value:
        case datetime():
            return age(value, now)
        case timedelta():
            return duration(value)
        case [str(), *_]:
            return ",".join(_cut_digest(clean(each), ellipsis) for each in value)
        case str() if value:
            return _cut_digest(clean(value), ellipsis)
        case _:
            return whole(value)


def shorten(text: str, columns: int, ellipsis: str = "…", head: float = MIDDLE) -> str:
    """Leave out a part of a text that is too wide; `head` is the share that its beginning keeps.

    By default that is the middle, as the end of a name tells more than its beginning.
    """
    if width(text) <= columns:
        return text
    if columns < 2:
        return ellipsis[: max(columns, 0)]
    room = columns - 1
    first = int(room * head)
    tail = set_cell_size(text[::-1], room - first).rstrip()[::-1]
    while tail and not width(tail[0]):  # a mark belongs to the character before it
        tail = tail[1:]
    return set_cell_size(text, first).rstrip() + ellipsis + tail


def shorten_apart(texts: Sequence[str], columns: int, ellipsis: str = "…") -> list[str]:
    """Shorten texts where they stay different: in their middle, else elsewhere."""
    best: list[str] = []
    for cut in (_cut_middle, _cut_end, _cut_around):
        told = cut(texts, columns, ellipsis)
        if len(set(told)) > len(set(best)):
            best = told
        if len(set(best)) == len(set(texts)):
            break
    return best


def _cut_middle(texts: Sequence[str], columns: int, ellipsis: str) -> list[str]:
    return [shorten(text, columns, ellipsis) for text in texts]


def _cut_end(texts: Sequence[str], columns: int, ellipsis: str) -> list[str]:
    return [shorten(text, columns, ellipsis, head=1.0) for text in texts]


def _cut_around(texts: Sequence[str], columns: int, ellipsis: str) -> list[str]:
    """Leave out the same end of all wide texts, and the surplus before it."""
    wide = [text for text in texts if width(text) > columns]
    ends = zip(*(reversed(text) for text in wide), strict=False)
    same = sum(1 for _ in takewhile(lambda characters: len(set(characters)) == 1, ends))
    return [
        shorten(text[: len(text) - same], columns - 1, ellipsis, head=0.0) + ellipsis
        if width(text) > columns > 2 else shorten(text, columns, ellipsis)
        for text in texts
    ]  # fmt: skip


def pad(text: str, columns: int) -> str:
    """Fill a text with blanks up to a width."""
    return text + " " * (columns - width(text))


def _cut_digest(text: str, ellipsis: str) -> str:
    if text.startswith(("sha256:", "sha512:")) and len(text) > DIGEST_SHOWN:
        return text[:DIGEST_SHOWN] + ellipsis
    return text
