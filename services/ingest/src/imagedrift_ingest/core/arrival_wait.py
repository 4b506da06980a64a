"""How long the planner waits for more new references before it asks about those that are there.

A fleet's first inventories come in many batches. What is asked meanwhile is asked in the order of
the hosts known so far, and takes the time in which the rest is stored. So:

- The planner waits for `FIRST_S`, then until no further host brought anything new for `QUIET_S`;
  `MOST_S` at most.
- A host that goes on bringing new references counts once: it makes the planner wait no longer.
- Of `MANY_HOSTS` hosts that bring some at once there will be more: a fleet starts. All are awaited
  before the first question, for `FLEET_QUIET_S` after each, as its inventories are stored first.
"""

from collections.abc import Set as AbstractSet
from typing import Final

from msgspec import Struct

FIRST_S: Final = 0.25
QUIET_S: Final = 0.5
FLEET_QUIET_S: Final = 2.0
MOST_S: Final = 10.0
MANY_HOSTS: Final = 50


class ArrivalWait(Struct, frozen=True):
    """One wait for more hosts."""

    ends_at: float
    ends_at_most: float
    hosts: frozenset[int]
    """Those that have brought something new by now."""
    quiet_s: float = QUIET_S

    def joined(self, now: float, hosts: AbstractSet[int]) -> "ArrivalWait":
        """Return the wait after news: it lasts longer only when further hosts brought some."""
        if hosts <= self.hosts:
            return self
        ends_at = min(now + self.quiet_s, self.ends_at_most)
        return ArrivalWait(ends_at, self.ends_at_most, self.hosts | hosts, self.quiet_s)


def begin_wait(now: float, hosts: AbstractSet[int]) -> ArrivalWait:
    """Begin to wait, after news of these hosts."""
    if is_fleet(hosts):
        return ArrivalWait(now + FLEET_QUIET_S, now + MOST_S, frozenset(hosts), FLEET_QUIET_S)
    return ArrivalWait(now + FIRST_S, now + MOST_S, frozenset(hosts), QUIET_S)


def is_fleet(hosts: AbstractSet[int]) -> bool:
    """Tell whether so many hosts bring new references that a fleet must be starting."""
    return len(hosts) >= MANY_HOSTS
