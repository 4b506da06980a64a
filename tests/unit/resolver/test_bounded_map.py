"""Entries of strangers are bounded, and never drive out a registry that has answered."""

from hypothesis import given
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from imagedrift_resolver.core.bounded_map import MOST_LOOKS, Bound, BoundedMap


def test_the_entry_used_longest_ago_goes_first() -> None:
    """The least recently used entry is removed first."""
    kept = BoundedMap[str, int](Bound(2, 1000))
    kept.put("a", 1, 1)
    kept.put("b", 2, 1)
    kept.get("a")
    kept.put("c", 3, 1)
    assert [kept.get(key) for key in "abc"] == [1, None, 3]


def test_bytes_are_bounded_as_well() -> None:
    """Bytes are bounded, and a replaced value counts once."""
    kept = BoundedMap[str, int](Bound(100, 10))
    kept.put("a", 1, 4)
    kept.put("a", 1, 6)
    kept.put("b", 2, 4)
    assert kept.size == 10
    kept.put("c", 3, 1)
    assert [kept.get(key) for key in "abc"] == [None, 2, 3]
    assert kept.size == 5


def test_a_value_beyond_the_whole_bound_is_not_kept() -> None:
    """A value larger than the bound is not kept, and displaces nothing."""
    kept = BoundedMap[str, int](Bound(100, 10))
    kept.put("a", 1, 5)
    kept.put("huge", 2, 11)
    assert (kept.get("a"), kept.get("huge"), kept.size) == (1, None, 5)


@given(st.lists(st.text(max_size=3), max_size=50))
def test_strangers_never_drive_out_who_has_answered(made_up: list[str]) -> None:
    """Unproven registries never displace those that answered."""
    kept = BoundedMap[str, int](Bound(1, 10), Bound(3, 10))
    kept.put("real", 1, 10)
    for name in made_up:
        kept.put(f"made-up {name}", 0, 4, is_proven=False)
    assert kept.get("real") == 1
    assert len(kept) <= 1 + 2


def test_who_has_answered_moves_to_the_other_share() -> None:
    """A registry that answers moves to the other share."""
    kept = BoundedMap[str, int](Bound(10, 100), Bound(1, 100))
    kept.put("a", 1, 5, is_proven=False)
    kept.put("a", 1, 7)
    kept.put("b", 2, 5, is_proven=False)
    assert (kept.get("a"), kept.get("b"), kept.size, len(kept)) == (1, 2, 12, 2)


def test_what_is_held_is_passed_over() -> None:
    """An entry with a block that lasts is kept."""
    held = {1}
    kept = BoundedMap[str, int](Bound(2, 100), is_held=held.__contains__)
    for value, key in enumerate("abcd", start=1):
        kept.put(key, value, 1)
    assert (kept.get("a"), kept.get("d"), len(kept)) == (1, 4, 2)


def test_the_bounds_hold_even_if_everything_is_held() -> None:
    """The bounds hold even if every entry has a block."""
    kept = BoundedMap[int, int](Bound(2 * MOST_LOOKS, 10**6), is_held=lambda _: True)
    for number in range(10 * MOST_LOOKS):
        kept.put(number, number, 1)
    assert len(kept) == kept.size == 2 * MOST_LOOKS


class BoundedMapMachine(RuleBasedStateMachine):
    """Any order of uses."""

    def __init__(self) -> None:
        super().__init__()
        self.kept = BoundedMap[int, int](Bound(4, 20), Bound(2, 9), lambda value: value % 3 == 0)

    @rule(key=st.integers(0, 9), size=st.integers(0, 25), is_proven=st.booleans())
    def put(self, key: int, size: int, is_proven: bool) -> None:
        """Keep something."""
        self.kept.put(key, key + 1, size, is_proven=is_proven)

    @rule(key=st.integers(0, 9))
    def pop(self, key: int) -> None:
        """Forget something."""
        self.kept.pop(key)
        assert key not in self.kept

    @invariant()
    def is_bounded(self) -> None:
        """The numbers are never exceeded, and nothing is there twice."""
        values = [*self.kept.values()]
        assert len(values) == len({*values}) == len(self.kept) <= 4 + 2
        assert 0 <= self.kept.size <= 20 + 9


TestAnyOrder = BoundedMapMachine.TestCase
