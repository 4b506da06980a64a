"""A guard before h11, whose pattern for a header goes through a run of blanks once for each blank.

60,000 tabs and a byte that no header may have are 26 s of work, in which nothing else has a turn.
"""

from typing import Final

LONGEST: Final = 2048
_RUN: Final = b" " * LONGEST


class HeaderGuard:
    """Looks for long runs of blanks in the data of one connection, piece by piece."""

    def __init__(self) -> None:
        self._open = 0
        """How many blanks the data before ended with."""

    def is_hostile(self, data: bytes) -> bool:
        """Tell whether a run of blanks has become longer than any in a real header."""
        flat = data.replace(b"\t", b" ")
        first = len(flat) - len(flat.lstrip(b" "))
        if self._open + first >= LONGEST or _RUN in flat:
            return True
        if first == len(flat):
            self._open += first
        else:
            self._open = len(flat) - len(flat.rstrip(b" "))
        return False
