"""A text that may not be seen: an address with a token in it, a signing key."""

from typing import Final

HIDDEN: Final = "***"


class SecretText:
    """Holds a secret; only `reveal` gives it out, and nothing that prints does."""

    __slots__ = ("_text",)

    def __init__(self, text: str) -> None:
        self._text = text

    def reveal(self) -> str:
        """Return the secret, for its use."""
        return self._text

    def __repr__(self) -> str:
        return HIDDEN

    __str__ = __repr__
