"""Bytes to messages and back: the one place that calls msgspec.

Decoding is strict about types and lenient about unknown fields. What cannot be decoded raises
`Malformed` with the path of the field, so that whoever sent it can find it.
"""

import hashlib
from collections.abc import Iterable
from typing import TypeVar

import msgspec

from imagedrift_schemas.errors import Malformed
from imagedrift_schemas.v1 import LocalImage

T = TypeVar("T")

_encoder = msgspec.json.Encoder(order="deterministic")
_decoders: dict[object, msgspec.json.Decoder[object]] = {}


def encode(message: msgspec.Struct) -> bytes:
    """Write a message as JSON, the same bytes for equal messages."""
    return _encoder.encode(message)


def decode(payload: bytes, kind: type[T]) -> T:
    """Read a message of `kind` (a Struct or a union of Structs). Raises `Malformed`."""
    decoder = _decoders.get(kind)
    if decoder is None:
        decoder = _decoders.setdefault(kind, msgspec.json.Decoder(kind))
    try:
        return decoder.decode(payload)  # type: ignore[return-value]  # the cache is keyed by kind
    except msgspec.DecodeError as error:  # ValidationError, with the field's path, included
        raise Malformed(f"{getattr(kind, '__name__', 'message')}: {error}") from error
    except RecursionError as error:
        raise Malformed("message: nested too deeply") from error


def content_hash(images: Iterable[LocalImage]) -> str:
    """Hash a host's images in canonical order: ``sha256:<hex>``, equal for equal hosts."""
    ordered = sorted(images, key=lambda i: (i.reference, i.image_id, i.repo_digests, i.tagged))
    return "sha256:" + hashlib.sha256(_encoder.encode(ordered)).hexdigest()
