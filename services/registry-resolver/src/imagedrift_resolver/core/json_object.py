"""A JSON object as Go reads it, whose programs write the files that we read.

- Nothing but blanks, and `null`, are an empty object. What comes after the object is not looked at.
- The names of fields are known in any case. Of a name that comes twice the last one counts.
- Bytes that are not UTF-8, and halves of surrogate pairs, read as U+FFFD.
"""

import json
from collections.abc import Mapping
from typing import Any, Final

LARGEST: Final = 1024 * 1024
_BLANKS: Final = " \t\r\n"
_MARKS: Final = (b"\xef\xbb\xbf", b"\xff\xfe", b"\xfe\xff")
_KINDS: Final = {bool: "a boolean", int: "a number", float: "a number", str: "a text"}


class NotAnObject(Exception):
    """A fault of a text, in words that repeat nothing of it."""


def read_object(text: bytes) -> Mapping[str, Any]:
    """Read the first value of a text. Raises `NotAnObject`."""
    if len(text) > LARGEST:
        raise NotAnObject(f"is larger than {LARGEST // 1024} KiB")
    if text.startswith(_MARKS):
        raise NotAnObject("begins with a byte-order mark: save it as UTF-8 without one")
    told = text.decode("utf-8", "replace")
    start = len(told) - len(told.lstrip(_BLANKS))
    if start == len(told):
        return {}
    try:
        value, _ = _DECODER.raw_decode(told, start)
    except json.JSONDecodeError as error:
        raise NotAnObject(f"is not JSON (line {error.lineno})") from None
    except (RecursionError, ValueError):
        raise NotAnObject(
            "is no JSON that can be read: nested too deep, or a number out of range"
        ) from None
    if value is not None and not isinstance(value, dict):
        raise NotAnObject(f"is {kind_of(value)}, not an object")
    return value or {}


def field(document: Mapping[str, Any], name: str) -> Any:
    """Return a field's value; None when there is none. An exact name goes before another case."""
    if name in document:
        return document[name]
    folded = name.lower()
    return next((value for key, value in document.items() if key.lower() == folded), None)


def kind_of(value: Any) -> str:
    """Name a JSON value's kind."""
    return _KINDS.get(type(value), "a list" if isinstance(value, list) else "an object")


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    return {_writable(key): _clean(value) for key, value in pairs}


def _clean(value: Any) -> Any:
    return _writable(value) if isinstance(value, str) else value


def _writable(text: str) -> str:
    """Replace characters that could be written neither to NATS nor to a log."""
    if text.isascii():
        return text
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")


def _no_constant(name: str) -> None:
    raise ValueError(name)


_DECODER: Final = json.JSONDecoder(object_pairs_hook=_object, parse_constant=_no_constant)
