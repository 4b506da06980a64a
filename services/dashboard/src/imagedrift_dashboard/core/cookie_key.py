"""The key that signs cookies and forms, and makes the secrets of a sign-in.

Rules:
- A signature (HMAC-SHA256) counts for one use: a session is no sign-in, whoever copies it.
- A cookie has nothing secret in it. What only this service may know of a sign-in is made from the
  key and the sign-in's id, so it is kept nowhere.
- What is not signed with this key is not read at all.
"""

import hashlib
import hmac
from base64 import urlsafe_b64decode, urlsafe_b64encode
from typing import Final, TypeVar

import msgspec
from msgspec import Struct

S = TypeVar("S", bound=Struct)

LEAST_BYTES: Final = 32
MOST_CHARACTERS: Final = 3_500
"""Browsers keep 4,096 of a cookie, its name and attributes among them."""


class CookieKey:
    """A key of at least `LEAST_BYTES`."""

    def __init__(self, key: bytes) -> None:
        self._key = key

    def sign(self, use: str, value: Struct) -> str:
        """Write a value for a cookie."""
        content = _text(msgspec.json.encode(value))
        return f"{content}.{self.derive(use, content)}"

    def read(self, use: str, text: str, kind: type[S]) -> S | None:
        """Read a text that was signed for this use; none where it was not."""
        content, mark, signature = text.partition(".")
        if not mark or len(text) > MOST_CHARACTERS or not text.isascii():
            return None
        if not hmac.compare_digest(signature, self.derive(use, content)):
            return None
        try:
            padding = "=" * (-len(content) % 4)
            return msgspec.json.decode(urlsafe_b64decode(content + padding), type=kind)
        except ValueError:  # signed by a version with other fields
            return None

    def derive(self, use: str, name: str) -> str:
        """Make 43 characters that only the key's holder can make."""
        return _text(hmac.digest(self._key, f"{use}:{name}".encode(), hashlib.sha256))


def _text(content: bytes) -> str:
    return urlsafe_b64encode(content).rstrip(b"=").decode()
