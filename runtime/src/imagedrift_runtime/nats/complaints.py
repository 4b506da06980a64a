"""The complaints of a server or a client: the last few, each once, with its moment.

A complaint that comes a thousand times pushes out no other one. `now` is monotonic, in seconds.
"""

from typing import Final

REPEAT_S: Final = 30.0
"""How long a complaint is no news: a client that finds no server tries twice a second."""
KEPT: Final = 5


class Complaints:
    """The last few complaints."""

    def __init__(self) -> None:
        self._told_at: dict[str, float] = {}

    def add(self, text: str, now: float) -> bool:
        """Note a complaint; True when it is news."""
        before = self._told_at.pop(text, float("-inf"))
        self._told_at[text] = now
        while len(self._told_at) > KEPT:
            del self._told_at[next(iter(self._told_at))]
        return before < now - REPEAT_S

    def since(self, moment: float) -> str:
        """Join the complaints since a moment, the oldest first."""
        return "; ".join(text for text, told_at in self._told_at.items() if told_at >= moment)
