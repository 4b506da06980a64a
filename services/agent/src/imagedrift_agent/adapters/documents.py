"""Answers of an engine that make no sense are refusals that name the call."""

from typing import TypeVar

from imagedrift_agent.adapters.http import Refused
from imagedrift_agent.core import decoding

U = TypeVar("U")


def decode(target: str, body: bytes, kind: type[U]) -> U:
    """Read one document. Raises `Refused`."""
    try:
        return decoding.read(body, kind)
    except decoding.NONSENSE as error:
        raise _nonsense(target, error) from error


def decode_list(target: str, body: bytes, kind: type[U]) -> tuple[list[U], list[str]]:
    """Read a list; one of which not even an id makes sense is no list. Raises `Refused`."""
    try:
        understood, odd = decoding.read_list(body, kind)
    except decoding.NONSENSE as error:
        raise _nonsense(target, error) from error
    if odd and not understood and not any(odd):
        raise _nonsense(target, "no element makes sense")
    return understood, odd


def _nonsense(target: str, error: object) -> Refused:
    return Refused(f"GET {target.partition('?')[0]}: not what an engine says: {error}")
