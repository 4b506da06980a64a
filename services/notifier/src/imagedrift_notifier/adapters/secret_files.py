"""Secrets in files: read for each message, so that they can be changed while the notifier runs."""

from pathlib import Path
from typing import Final

from imagedrift_notifier.core.secret_text import SecretText

MOST_BYTES: Final = 16 * 1024


class SecretUnreadable(Exception):
    """A file of a secret cannot be used; the message names the file, and nothing that is in it."""


def read(path: str) -> SecretText:
    """Read a secret. Raises `SecretUnreadable`."""
    try:
        with Path(path).open("rb") as file:
            content = file.read(MOST_BYTES + 1)
        text = content.decode().strip()
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or "is not UTF-8"
        raise SecretUnreadable(f"{path}: cannot be read: {reason}") from None
    if not text or len(content) > MOST_BYTES:
        raise SecretUnreadable(f"{path}: {'is empty' if not text else 'is too large'}")
    return SecretText(text)
