"""The objects of an engine that could not be read, and when each is tried again.

An object is asked for again in the next pass, and after each further failure only after twice as
many passes: so a pass over an unchanged host stays cheap.
"""

from collections.abc import Iterable
from typing import Final

from msgspec import Struct

LONGEST_PAUSE: Final = 64
"""Of passes, between two attempts to read an object."""


class _Attempts(Struct):
    """How often an object could not be read, and how many passes leave it out from now on."""

    failures: int = 0
    pause: int = 0


class UnreadableObjects:
    """The objects that could not be read at the last attempt, by key."""

    def __init__(self) -> None:
        self._attempts: dict[object, _Attempts] = {}

    def __len__(self) -> int:
        return len(self._attempts)

    def __contains__(self, key: object) -> bool:
        return key in self._attempts

    def begin_pass(self, keys: Iterable[object]) -> None:
        """Begin a pass over these objects: others are forgotten, pauses are a pass shorter."""
        self._attempts = {key: self._attempts[key] for key in keys if key in self._attempts}
        for attempts in self._attempts.values():
            attempts.pause = max(0, attempts.pause - 1)

    def is_due(self, key: object) -> bool:
        """Tell whether the object is to be asked for in this pass."""
        attempts = self._attempts.get(key)
        return attempts is None or attempts.pause == 0

    def failed(self, key: object) -> None:
        """Note that the object could not be read."""
        attempts = self._attempts.setdefault(key, _Attempts())
        attempts.failures += 1
        attempts.pause = min(2 ** (attempts.failures - 1), LONGEST_PAUSE)

    def recovered(self, key: object) -> None:
        """Note that the object was read."""
        self._attempts.pop(key, None)
