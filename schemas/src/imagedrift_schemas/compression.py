"""An inventory that is too large for one message, made smaller: gzip around the same JSON.

A payload that begins with gzip's two bytes is compressed; JSON never begins so. Who reads it takes
at most `MOST_BYTES`, and at most `MOST_RATIO` times what came: an inventory is half hashes, which
hardly shrink, so that one that grows more is none. The last four bytes say how much comes out: what
tells too much is refused at once, and of what tells too little nothing more is read than that.
"""

import zlib
from typing import Final

from imagedrift_schemas.errors import Malformed

MOST_BYTES: Final = 32 * 1024 * 1024
MOST_RATIO: Final = 32
_BEGIN: Final = b"\x1f\x8b"
_WITH_GZIP_HEADER: Final = 31
_SIZE_BYTES: Final = 4
"""At the end of a gzip member: the size of what was compressed (RFC 1952, ISIZE)."""


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
    told_bytes = int.from_bytes(payload[-_SIZE_BYTES:], "little")
    if told_bytes > _most(payload):
        raise Malformed(
            f"gzip: its end tells of {told_bytes} bytes, more than {MOST_RATIO} times its size or "
            f"than {MOST_BYTES}: no inventory, or not the whole of one"
        )
    reader = zlib.decompressobj(_WITH_GZIP_HEADER)
    try:
        read = reader.decompress(payload, told_bytes + 1)
    except zlib.error as error:
        raise Malformed(f"gzip: {error}") from error
    if len(read) > told_bytes:
        raise Malformed(f"gzip: more comes out than the {told_bytes} bytes that its end tells")
    if not reader.eof or reader.unused_data:
        raise Malformed("gzip: one complete member, and nothing after it")
    return read


def _most(small: bytes) -> int:
    return min(MOST_BYTES, MOST_RATIO * len(small))
