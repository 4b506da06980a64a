"""Which question of a registry that has not answered yet gets a slot of a shared lane next.

In this order:

| first | why |
|---|---|
| a registry that several hosts want | one host can make up names, but not other hosts |
| the first question of each registry | the others wait for its answer |
| a registry with fewer tries that stayed silent | a new one waits for no registry that hangs |
| a registry that was put off a moment ago | names that are made up all the time come after it |

Who came first is first among equals.
"""

from typing import Final

from msgspec import Struct

RECENT_S: Final = 10.0
REST_FACTOR: Final = 10

Rank = tuple[bool, int, int, bool]


class Past(Struct, frozen=True):
    """The tries of a registry that has not answered."""

    tries: int = 0
    """How often it was asked, stayed silent, and gave its slot to another one."""
    put_off_at: float = float("-inf")


def rank(nth: int, hosts: int, past: Past, now: float) -> Rank:
    """Return the rank of the `nth` question of a registry; the lowest rank is first."""
    return hosts <= 1, nth, past.tries, now - past.put_off_at > RECENT_S


def put_off_for(silent_s: float, tries: int, soon_s: float, longest_s: float) -> float:
    """Return after how many seconds a question comes again; silent registries rest longer."""
    return min(max(silent_s, soon_s * 2.0 ** min(tries, 10)), longest_s)


class Patience(Struct, frozen=True):
    """For how long more questions than usual may wait: a moment, and then a tenth of the time."""

    most_s: float
    left_s: float
    at: float = 0.0
    is_spent: bool = False

    def then(self, now: float, *, is_spent: bool) -> "Patience":
        """Return the patience that is left now, and spend it from now on, or let it grow again."""
        passed = max(0.0, now - self.at)
        change = -passed if self.is_spent else passed / REST_FACTOR
        left_s = min(max(self.left_s + change, 0.0), self.most_s)
        return Patience(self.most_s, left_s, now, is_spent)
