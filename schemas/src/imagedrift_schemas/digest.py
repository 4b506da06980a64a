"""Content digests: `sha256:<64 hex>` or `sha512:<128 hex>`, lower case, nothing else.

    digest    = algorithm ":" hex
    algorithm = "sha256" | "sha512"
    hex       = 64 | 128 characters of [0-9a-f]

Both algorithms are what the OCI image specification registers and every registry speaks.
Upper-case hex is refused and not repaired: a digest is compared as text, so it has one spelling.
"""

import hashlib
import re
from typing import Final, NewType

from imagedrift_schemas.errors import BadDigest

Digest = NewType("Digest", str)
"""Text that went through `parse_digest`, or that this module computed."""

PATTERN: Final = "(?:sha256:[0-9a-f]{64}|sha512:[0-9a-f]{128})"
"""The same grammar as a pattern, for the JSON Schemas."""

_IS_DIGEST: Final = re.compile(PATTERN).fullmatch
_HEX_DIGITS: Final = {"sha256": 64, "sha512": 128}
_LOWER_HEX: Final = frozenset("0123456789abcdef")
_ANY_HEX: Final = _LOWER_HEX | frozenset("ABCDEF")


def parse_digest(text: str) -> Digest:
    """Return the text as a digest, or raise BadDigest saying which part is wrong."""
    fault = digest_fault(text)
    if fault:
        raise BadDigest(f"{fault} ({_shown(text)})")
    return Digest(text)


def is_digest(text: str) -> bool:
    """Tell whether the text is a digest."""
    return _IS_DIGEST(text) is not None


def digest_fault(text: str) -> str:
    """Return the fault of the text, in words, or nothing."""
    algorithm, colon, hex_part = text.partition(":")
    if not colon:
        return "digest format: no ':' between algorithm and hash"
    if algorithm not in _HEX_DIGITS:
        return _unknown(algorithm)
    if not _ANY_HEX.issuperset(hex_part):
        return "digest format: the hash has a character that is no hex digit"
    if len(hex_part) != (wanted := _HEX_DIGITS[algorithm]):
        return f"digest length: {algorithm} has {wanted} hex digits, not {len(hex_part)}"
    if not _LOWER_HEX.issuperset(hex_part):
        return "digest format: upper-case hex; a digest is written in lower case"
    return ""


def digest_of(body: bytes, algorithm: str = "sha256") -> Digest:
    """Compute the digest of the bytes."""
    if algorithm not in _HEX_DIGITS:
        raise BadDigest(_unknown(algorithm))
    return Digest(f"{algorithm}:{hashlib.new(algorithm, body).hexdigest()}")


def verify(digest: Digest, body: bytes) -> bool:
    """Tell whether the bytes are the ones that the digest names, by the digest's own algorithm."""
    algorithm, _, _ = digest.partition(":")
    return digest_of(body, algorithm) == digest


def _unknown(algorithm: str) -> str:
    """Say that the algorithm is none of ours."""
    return f"digest algorithm {_shown(algorithm)}: only sha256 and sha512 are known"


def _shown(text: str) -> str:
    """Quote the start of the text: an error stays one readable line, whatever was sent."""
    return ascii(text if len(text) <= 160 else text[:157] + "...")
