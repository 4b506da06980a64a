"""The cache is bounded by bytes, and entries that are used stay."""

import string

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from imagedrift_ingest.core.bounded_cache import BoundedCache

BOUND = 100


class Remembering(RuleBasedStateMachine):
    """Puts and gets, against everything that was ever put."""

    def __init__(self) -> None:
        super().__init__()
        self.remembered: BoundedCache[str, int] = BoundedCache(BOUND)
        self.put_before: dict[str, int] = {}

    @rule(key=st.sampled_from(string.ascii_letters), weight=st.integers(1, 120))
    def put(self, key: str, weight: int) -> None:
        """An entry that fits is found at once."""
        self.put_before.setdefault(key, weight)
        self.remembered.put(key, ord(key), self.put_before[key])
        if self.put_before[key] <= BOUND // 2:
            assert self.remembered.get(key) == ord(key)

    @rule(key=st.sampled_from(string.ascii_letters))
    def get(self, key: str) -> None:
        """A found value is the one that was put."""
        assert self.remembered.get(key) in ({None, ord(key)} if key in self.put_before else {None})

    @invariant()
    def is_bounded(self) -> None:
        """The weights of the entries are within the bound after any sequence."""
        kept = [key for key in self.put_before if self.remembered.peek(key) is not None]
        assert sum(self.put_before[key] for key in kept) <= BOUND


TestRemembering = Remembering.TestCase


def test_what_is_used_outlives_what_is_said_once() -> None:
    """A host with a thousand images of its own displaces none of the fleet's."""
    remembered: BoundedCache[str, int] = BoundedCache(BOUND)
    remembered.put("fleet", 1, 10)
    for n in range(1000):
        remembered.put(f"once-{n}", n, 10)
        assert remembered.get("fleet") == 1
