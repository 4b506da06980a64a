"""Bytes to messages and back: the one place that calls msgspec.

Decoding is strict about types and lenient about unknown fields. What cannot be decoded raises
`Malformed` with the path of the field, so that whoever sent it can find it.
"""

import hashlib
from collections.abc import Iterable
from types import UnionType
from typing import Any, TypeVar, overload

import msgspec

from imagedrift_schemas.errors import Malformed
from imagedrift_schemas.v1 import LocalImage

T = TypeVar("T")

_encoder = msgspec.json.Encoder(order="deterministic")
_decoders: dict[object, msgspec.json.Decoder[object]] = {}


def encode(message: msgspec.Struct) -> bytes:
    """Write a message as JSON, the same bytes for equal messages."""
    return _encoder.encode(message)


@overload
def decode(payload: bytes, kind: type[T]) -> T: ...


@overload
def decode(payload: bytes, kind: UnionType) -> Any: ...


def decode(payload: bytes, kind: object) -> object:
    """Read a message of `kind`: a Struct, or a union of Structs told apart by their `type`.

    Raises `Malformed`. A union has no type that a checker can follow: annotate the result.
    """
    decoder = _decoders.get(kind)
    if decoder is None:
        decoder = _decoders.setdefault(kind, msgspec.json.Decoder(kind))
    try:
        return decoder.decode(payload)
    except msgspec.DecodeError as error:  # ValidationError, with the field's path, included
        raise Malformed(f"{_name(kind)}: {error}") from error
    except UnicodeDecodeError as error:
        raise Malformed(f"{_name(kind)}: a string is not UTF-8 ({error.reason})") from error
    except RecursionError as error:
        raise Malformed(f"{_name(kind)}: nested too deeply") from error


def content_hash(images: Iterable[LocalImage]) -> str:
    """Hash a host's images in the order of their bytes: ``sha256:<hex>``, equal for equal hosts."""
    written = sorted(_encoder.encode(image) for image in images)
    return "sha256:" + hashlib.sha256(b"[" + b",".join(written) + b"]").hexdigest()


def _name(kind: object) -> str:
    """Name the kind of message in an error; a union of kinds has no name."""
    return getattr(kind, "__name__", "message")
