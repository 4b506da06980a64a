"""How long the planner waits for more new references before it asks about those that are there.

A fleet's first inventories come in many batches. What is asked meanwhile is asked in the order of
the hosts known so far, and takes the time in which the rest is stored. So:

- The planner waits until no further host brought anything new for `QUIET_S`, `MOST_S` at most.
- A host that goes on bringing new references counts once: it makes the planner wait no longer.
"""

from collections.abc import Set as AbstractSet
from typing import Final

from msgspec import Struct

QUIET_S: Final = 0.5
MOST_S: Final = 10.0


class Gathering(Struct, frozen=True):
    """One wait for more hosts."""

    ends_at: float
    ends_at_most: float
    hosts: frozenset[int]
    """Those that have brought something new by now."""

    def joined(self, now: float, hosts: AbstractSet[int]) -> "Gathering":
        """Return the wait after news: it lasts longer only when further hosts brought some."""
        if hosts <= self.hosts:
            return self
        ends_at = min(now + QUIET_S, self.ends_at_most)
        return Gathering(ends_at, self.ends_at_most, self.hosts | hosts)


def gathering(now: float, hosts: AbstractSet[int]) -> Gathering:
    """Begin to wait, after news of these hosts."""
    return Gathering(now + QUIET_S, now + MOST_S, frozenset(hosts))
