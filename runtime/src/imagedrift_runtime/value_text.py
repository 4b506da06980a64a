"""How a value of the database is written: exactly for programs, briefly for people.

What is shown came from hosts and registries, maybe before a rule that cleans it: whatever is no
plain text is replaced, and no cell of a CSV is taken for a formula.
"""

import re
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import msgspec

from imagedrift_schemas.text import cleaned

MOST_SHOWN: Final = 10_000
"""Characters of a cell; a spreadsheet has room for three times as many."""
FORMULA: Final = ("=", "+", "-", "@", "\uff1d", "\uff0b", "\uff0d", "\uff20")
"""Characters that begin a formula in a spreadsheet, full-width forms included."""
_AFTER_SEMICOLON: Final = re.compile(rf"(;\s*)(?=[{re.escape(''.join(FORMULA))}])")
"""Where a spreadsheet that parts cells by semicolons, as in much of Europe, would find one."""
NOTHING: Final = "-"


def clean(text: object) -> str:
    """Write a text on one line, without characters that cannot be shown."""
    return cleaned(str(text), MOST_SHOWN)


def exact(value: Any) -> str:
    """Write a value whole, on one line: ISO times with their zone, lists and objects as JSON."""
    match value:
        case str():
            return clean(value)
        case None:
            return ""
        case datetime():
            return value.isoformat()
        case list() | dict() | timedelta():
            return clean(msgspec.json.encode(value).decode().strip('"'))
        case _:
            return str(value)


def no_formula(value: Any) -> str:
    """Write a value whole, so that a spreadsheet does not run it; numbers are not texts."""
    text = exact(value)
    if ";" in text:
        text = _AFTER_SEMICOLON.sub(r"\1'", text)
    if not isinstance(value, str) or text[:1].isalnum():  # most begin with a letter or digit
        return text
    return "'" + text if text.lstrip().startswith(FORMULA) else text


def whole(value: Any) -> str:
    """Write a value whole for a column of text: nothing is a dash, a list has commas."""
    match value:
        case None | "" | []:
            return NOTHING
        case datetime():
            return value.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        case list():
            return clean(",".join(map(str, value)))
        case dict():  # a pattern `{}` would be any mapping
            return clean(",".join(f"{key}={item}" for key, item in value.items())) or NOTHING
        case bool():
            return "yes" if value else "no"
        case timedelta():
            return exact(timedelta(seconds=int(value.total_seconds())))
        case _:
            return exact(value)


def age(moment: datetime, now: datetime) -> str:
    """Write the age of a moment, or the time until it comes."""
    apart = now - moment
    if abs(apart) < timedelta(seconds=1):
        return "now"
    return f"{duration(apart)} ago" if apart > timedelta(0) else f"in {duration(-apart)}"


def duration(value: timedelta) -> str:
    """Say a duration in its two largest units: ``3 d 4 h``."""
    seconds = int(value.total_seconds())
    units = [("d", seconds // 86_400), ("h", seconds // 3600 % 24), ("min", seconds // 60 % 60)]
    parts = [f"{amount} {unit}" for unit, amount in units if amount]
    return " ".join(parts[:2]) or f"{seconds} s"
