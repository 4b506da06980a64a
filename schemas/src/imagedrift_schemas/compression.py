"""An inventory that is too large for one message, made smaller: gzip around the same JSON.

A payload that begins with gzip's two bytes is compressed; JSON never begins so. Who reads it takes
at most `MOST_BYTES`, and at most `MOST_RATIO` times what came: an inventory is half hashes, which
hardly shrink, so that one that grows more is none.
"""

import zlib
from typing import Final

from imagedrift_schemas.errors import Malformed

MOST_BYTES: Final = 32 * 1024 * 1024
MOST_RATIO: Final = 32
_BEGIN: Final = b"\x1f\x8b"
_WITH_GZIP_HEADER: Final = 31


def compressed(payload: bytes) -> bytes:
    """Compress, to the same bytes for the same payload."""
    return zlib.compress(payload, wbits=_WITH_GZIP_HEADER)


def is_allowed(payload: bytes, small: bytes) -> bool:
    """Tell whether a reader takes `small` for the payload that it was made of."""
    return len(payload) <= _most(small)


def is_compressed(payload: bytes) -> bool:
    """Tell whether a payload is compressed."""
    return payload.startswith(_BEGIN)


def decompressed(payload: bytes) -> bytes:
    """Return the decompressed payload, or the payload as it came. Raises `Malformed`."""
    if not is_compressed(payload):
        return payload
    reader = zlib.decompressobj(_WITH_GZIP_HEADER)
    most = _most(payload)
    try:
        read = reader.decompress(payload, most + 1)
    except zlib.error as error:
        raise Malformed(f"gzip: {error}") from error
    if len(read) > most:
        raise Malformed(
            f"gzip: more than {MOST_RATIO} times its size, or than {MOST_BYTES} bytes: no inventory"
        )
    if not reader.eof or reader.unused_data:
        raise Malformed("gzip: one complete member, and nothing after it")
    return read


def _most(small: bytes) -> int:
    return min(MOST_BYTES, MOST_RATIO * len(small))
