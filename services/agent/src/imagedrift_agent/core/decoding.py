"""Bodies of an engine's answers become records.

Rules:
- Which fields may be null differs from engine to engine: where one stands in the way, all nulls are
  taken out and count as missing.
- A list is read element by element when it cannot be read as a whole. An element that makes no
  sense costs itself alone, and is told by its id, or by "" where that cannot be read either.
"""

from typing import Any, TypeVar

import msgspec
from msgspec import Struct

T = TypeVar("T")

NONSENSE = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)
"""The exceptions for a body that cannot be decoded."""
_ODD = (msgspec.ValidationError, UnicodeDecodeError, RecursionError)


class _Identified(Struct, rename="pascal"):
    """The one field that every image and container has."""

    id: str


def read(body: bytes | msgspec.Raw, kind: type[T]) -> T:
    """Decode a body. Raises `NONSENSE`."""
    try:
        return msgspec.json.decode(body, type=kind)
    except msgspec.ValidationError:
        return msgspec.convert(_without_nulls(msgspec.json.decode(body)), type=kind)


def read_list(body: bytes, kind: type[T]) -> tuple[list[T], list[str]]:
    """Decode a list: its elements, and the ids of those that make no sense ("" where unknown).

    Raises `NONSENSE` for what is no list at all.
    """
    try:
        return msgspec.json.decode(body, type=list[kind] | None) or [], []  # type: ignore[valid-type]
    except _ODD:
        return _read_each(msgspec.json.decode(body, type=list[msgspec.Raw]), kind)


def _read_each(elements: list[msgspec.Raw], kind: type[T]) -> tuple[list[T], list[str]]:
    understood: list[T] = []
    odd: list[str] = []
    for element in elements:
        try:
            understood.append(read(element, kind))
        except _ODD:
            odd.append(_id_of(element))
    return understood, odd


def _id_of(element: msgspec.Raw) -> str:
    try:
        return msgspec.json.decode(element, type=_Identified).id
    except _ODD:
        return ""


def _without_nulls(value: Any) -> Any:
    match value:
        case dict():
            return {key: _without_nulls(each) for key, each in value.items() if each is not None}
        case list():
            return [_without_nulls(each) for each in value if each is not None]
        case _:
            return value
