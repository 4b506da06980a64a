"""A guard before h11, whose pattern for a header goes through a run of blanks once for each blank.

60,000 tabs and a byte that no header may have are 26 s of work, in which nothing else has a turn.
"""

import re
from typing import Final

LONGEST: Final = 2048
_RUN: Final = re.compile(rb"[ \t]{64,}")


class HeaderGuard:
    """Looks for long runs of blanks in the data of one connection, piece by piece."""

    def __init__(self) -> None:
        self._end = b""

    def is_hostile(self, data: bytes) -> bool:
        """Tell whether a run of blanks has become longer than any in a real header."""
        seen = self._end + data
        self._end = seen[-LONGEST:]
        return any(run.end() - run.start() >= LONGEST for run in _RUN.finditer(seen))
