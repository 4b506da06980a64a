"""The pace of logs: what a loop repeats is written now and then, with the number of lines between.

    of one event of trouble        10 lines at once, then one a minute
    of one event of ordinary work  60 lines at once, then one a second

Trouble is a warning or worse. Events are told apart by name, and by those fields that only our own
sources fill: work that fails all the time hides no first failure of other work. Other fields may
hold whatever hosts and registries sent. Lines of a library are told apart by its logger's name.
"""

from collections.abc import Callable, Mapping
from typing import Any, Final

from msgspec import Struct


class Allowance(Struct, frozen=True):
    """How many lines of one event are written at once, and how soon there is one more."""

    at_once: int
    one_per_s: float


TROUBLE: Final = Allowance(10, 60.0)
WORK: Final = Allowance(60, 1.0)
OWN_FIELDS: Final = ("work", "step", "stream")
"""A repeated work's name, a step of maintenance and a stream: each has a few values."""


def kind_of(event: Mapping[str, Any]) -> str:
    """Tell what is repeated where an event with these fields is."""
    return " ".join(str(event[name]) for name in ("event", *OWN_FIELDS) if name in event)


class _Event(Struct):
    lines: float
    """How many may be written now."""
    at: float
    unwritten: int = 0


class LogPace:
    """Counts the lines of each event, and decides which of them are written."""

    def __init__(self, monotonic: Callable[[], float]) -> None:
        self._monotonic = monotonic
        self._events: dict[tuple[str, Allowance], _Event] = {}

    def take(self, name: str, allowance: Allowance) -> int | None:
        """Return how many lines before this one were not written; None if it is not either."""
        now = self._monotonic()
        event = self._events.setdefault((name, allowance), _Event(allowance.at_once, now))
        gained = (now - event.at) / allowance.one_per_s
        event.lines, event.at = min(allowance.at_once, event.lines + gained), now
        if event.lines < 1:
            event.unwritten += 1
            return None
        event.lines -= 1
        unwritten, event.unwritten = event.unwritten, 0
        return unwritten
