"""How long a registry was silent while this process listened: time in which it did not is left out.

A response that has come lies in its socket until the event loop reads it. So the silence of a
registry is measured in ticks of the event loop, each `TICK_S` long:

| a tick was late by        | it counts as                       |
|---------------------------|------------------------------------|
| nothing                   | `TICK_S`                           |
| less than `TICK_S`        | `TICK_S`, less what it was late    |
| `TICK_S` or more          | nothing                            |

A process that stands still for seconds, or is slow all the time, so calls no registry silent.
"""

from typing import Final

from msgspec import Struct

TICK_S: Final = 0.25


class ServedTime(Struct, frozen=True):
    """The seconds for which the event loop served its sockets, up to the last tick."""

    counted_s: float = 0.0
    ticked_at: float = 0.0
    """On the monotonic clock."""

    def at(self, now: float) -> float:
        """Return the seconds up to now, as a tick at this moment would count them."""
        since = max(0.0, now - self.ticked_at)
        return self.counted_s + max(0.0, min(since, 2 * TICK_S - since))

    def ticked(self, now: float) -> "ServedTime":
        """Return the time after a tick."""
        return ServedTime(self.at(now), now)
