"""The signature of a webhook, as Standard Webhooks 1.0 has it.

signed     id.timestamp.body
key        whsec_BASE64, of 24 to 64 bytes; a file may have several lines, the newest key first
signature  v1,BASE64(HMAC-SHA256(key, signed)), one for each key, a space between
"""

import base64
import binascii
import hashlib
import hmac
from collections.abc import Sequence
from datetime import datetime
from typing import Final

PREFIX: Final = "whsec_"
LEAST, MOST = 24, 64
"""Bytes of a key."""
MOST_KEYS: Final = 4
WANTED: Final = f"write a key as {PREFIX} and base64 of {LEAST} to {MOST} bytes, one a line"


def signing_keys(text: str) -> list[bytes] | None:
    """Read the keys of a file; nothing where one is none."""
    keys = [_key(line.strip()) for line in text.splitlines() if line.strip()]
    if not 0 < len(keys) <= MOST_KEYS or None in keys:
        return None
    return [key for key in keys if key]


def headers(keys: Sequence[bytes], message_id: str, now: datetime, body: bytes) -> dict[str, str]:
    """Return the headers that identify and sign a body sent now."""
    timestamp = str(int(now.timestamp()))
    signed = b".".join([message_id.encode(), timestamp.encode(), body])
    return {
        "webhook-id": message_id,
        "webhook-timestamp": timestamp,
        "webhook-signature": " ".join(_signature(key, signed) for key in keys),
    }


def _signature(key: bytes, signed: bytes) -> str:
    return "v1," + base64.b64encode(hmac.new(key, signed, hashlib.sha256).digest()).decode()


def _key(line: str) -> bytes | None:
    try:
        key = base64.b64decode(line.removeprefix(PREFIX), validate=True)
    except (binascii.Error, ValueError):
        return None
    return key if LEAST <= len(key) <= MOST else None
