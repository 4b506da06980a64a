"""How one value is written: exactly for programs, briefly for people.

What is shown came from hosts and registries, maybe before a rule that cleans it: whatever is no
plain text is replaced, and no cell is taken for a formula.
"""

from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
from rich.cells import cell_len, set_cell_size

from imagedrift_schemas.text import cleaned

MOST_SHOWN = 10_000
"""Characters of a cell; a spreadsheet has room for three times as many."""
FORMULA = ("=", "+", "-", "@", "\uff1d", "\uff0b", "\uff0d", "\uff20")
"""What a spreadsheet takes for the beginning of a formula, full-width forms included."""
DIGEST_SHOWN = 19
"""Characters of a digest that a person compares: the algorithm and twelve digits."""
NOTHING = "-"


def exact(value: Any) -> str:
    """Write a value whole, on one line: ISO times with their zone, lists and objects as JSON."""
    match value:
        case str():
            return _clean(value)
        case None:
            return ""
        case datetime():
            return value.isoformat()
        case list() | dict() | timedelta():
            return _clean(msgspec.json.encode(value).decode().strip('"'))
        case _:
            return str(value)


def no_formula(value: Any) -> str:
    """Write a value whole, so that a spreadsheet does not run it; numbers are not texts."""
    text = exact(value)
    if not isinstance(value, str) or text[:1].isalnum():  # most begin with a letter or digit
        return text
    return "'" + text if text.lstrip().startswith(FORMULA) else text


def width(text: str) -> int:
    """Count the columns that a text takes on a terminal."""
    return len(text) if text.isascii() and text.isprintable() else cell_len(text)


def whole(value: Any) -> str:
    """Write a value whole for a column of text: nothing is a dash, a list has commas."""
    match value:
        case None | "" | [] | {}:
            return NOTHING
        case datetime():
            return value.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        case list():
            return _clean(",".join(map(str, value)))
        case dict():
            return _clean(",".join(f"{key}={item}" for key, item in value.items()))
        case bool():
            return "yes" if value else "no"
        case timedelta():
            return exact(timedelta(seconds=int(value.total_seconds())))
        case _:
            return exact(value)


def brief(value: Any, now: datetime, ellipsis: str = "…") -> str:
    """Write a value for a person at a terminal: times as ages, digests cut."""
    match value:
        case datetime():
            return age(value, now)
        case timedelta():
            return duration(value)
        case [str(), *_]:
            return ",".join(_cut_digest(_clean(each), ellipsis) for each in value)
        case str() if value:
            return _cut_digest(_clean(value), ellipsis)
        case _:
            return whole(value)


def age(moment: datetime, now: datetime) -> str:
    """Say how long ago a moment was, or in what time it comes."""
    apart = now - moment
    if abs(apart) < timedelta(seconds=1):
        return "now"
    return f"{duration(apart)} ago" if apart > timedelta(0) else f"in {duration(-apart)}"


def duration(value: timedelta) -> str:
    """Say a duration in its two largest units: ``3 d 4 h``."""
    seconds = int(value.total_seconds())
    units = [("d", seconds // 86_400), ("h", seconds // 3600 % 24), ("min", seconds // 60 % 60)]
    said = [f"{amount} {unit}" for unit, amount in units if amount]
    return " ".join(said[:2]) or f"{seconds} s"


def shorten(text: str, columns: int, ellipsis: str = "…") -> str:
    """Leave out the middle of a text that is too wide: its end tells more than its beginning."""
    if width(text) <= columns:
        return text
    room = max(columns - 1, 1)
    head = room * 2 // 5
    tail = set_cell_size(text[::-1], room - head).rstrip()[::-1]
    return set_cell_size(text, head).rstrip() + ellipsis + tail


def pad(text: str, columns: int) -> str:
    """Fill a text with blanks up to a width."""
    return text + " " * (columns - width(text))


def _clean(text: object) -> str:
    return cleaned(str(text), MOST_SHOWN)


def _cut_digest(text: str, ellipsis: str) -> str:
    if text.startswith(("sha256:", "sha512:")) and len(text) > DIGEST_SHOWN:
        return text[:DIGEST_SHOWN] + ellipsis
    return text
