"""How one value is written for a terminal: as short as a person needs it.

How a value is written exactly, and how times are, is `imagedrift_runtime.value_text`.
"""

from datetime import datetime, timedelta
from typing import Any, Final

from rich.cells import cell_len, set_cell_size

from imagedrift_runtime.value_text import age, clean, duration, exact, no_formula, whole

__all__ = ["age", "brief", "duration", "exact", "no_formula", "pad", "shorten", "whole", "width"]

DIGEST_SHOWN: Final = 19
"""Characters of a digest that a person compares: the algorithm and twelve digits."""


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


def shorten(text: str, columns: int, ellipsis: str = "…") -> str:
    """Leave out the middle of a text that is too wide: its end tells more than its beginning."""
    if width(text) <= columns:
        return text
    if columns < 2:
        return ellipsis[: max(columns, 0)]
    room = columns - 1
    head = room * 2 // 5
    tail = set_cell_size(text[::-1], room - head).rstrip()[::-1]
    return set_cell_size(text, head).rstrip() + ellipsis + tail


def pad(text: str, columns: int) -> str:
    """Fill a text with blanks up to a width."""
    return text + " " * (columns - width(text))


def _cut_digest(text: str, ellipsis: str) -> str:
    if text.startswith(("sha256:", "sha512:")) and len(text) > DIGEST_SHOWN:
        return text[:DIGEST_SHOWN] + ellipsis
    return text
