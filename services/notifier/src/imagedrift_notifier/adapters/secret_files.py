"""Secrets in files: read for each message, so that they can be changed while the notifier runs."""

from pathlib import Path
from typing import Final

from imagedrift_notifier.core.secret_text import SecretText
from imagedrift_runtime.file_faults import unreadable

MOST_BYTES: Final = 16 * 1024


class SecretUnreadable(Exception):
    """A file of a secret cannot be used; the message names its key, and nothing that is in it."""


def read(key: str, path: str) -> SecretText:
    """Read the secret in the file that a key of a route names. Raises `SecretUnreadable`."""
    try:
        with Path(path).open("rb") as file:
            content = file.read(MOST_BYTES + 1)
        text = content.decode().strip()
    except (OSError, ValueError) as error:
        raise SecretUnreadable(f"{key}: {unreadable(path, error)}") from None
    if not text or len(content) > MOST_BYTES:
        raise SecretUnreadable(f"{key}: {path!r} is {'too large' if text else 'empty'}")
    return SecretText(text)
