"""Which question of a registry that has not answered yet gets a slot of a shared lane next."""

import pytest

from imagedrift_resolver.core.lane_share import RECENT_S, Past, Patience, put_off_for, rank

NOW = 1000.0
NEVER = Past()


def test_what_several_hosts_want_is_first_and_each_registry_before_a_second_question() -> None:
    """Registries of several hosts come first, then those with few silent tries."""
    put_off = Past(put_off_at=NOW - RECENT_S / 2)
    long_ago = Past(put_off_at=NOW - 2 * RECENT_S)
    ranks = [
        rank(0, 2, Past(tries=5), NOW),
        rank(1, 2, NEVER, NOW),
        rank(0, 1, put_off, NOW),
        rank(0, 1, NEVER, NOW),
        rank(0, 1, Past(tries=1, put_off_at=NOW), NOW),
        rank(1, 1, put_off, NOW),
    ]
    assert ranks == sorted(ranks)
    assert rank(0, 1, long_ago, NOW) == rank(0, 1, NEVER, NOW)


@pytest.mark.parametrize(
    ("silent_s", "tries", "wait_s"), [(0, 0, 2), (5, 0, 5), (0, 1, 4), (0, 9, 10), (60, 2000, 10)]
)
def test_a_registry_rests_longer_after_each_silent_try(
    silent_s: float, tries: int, wait_s: float
) -> None:
    """A registry waits longer after each silent try, up to a bound."""
    assert put_off_for(silent_s, tries, soon_s=2, longest_s=10) == wait_s


def test_patience_is_a_second_and_then_a_tenth_of_the_time() -> None:
    """The wait for silent registries is a second, and grows again when it is not used."""
    patience = Patience(1.0, 1.0).then(10, is_spent=True)
    assert patience.left_s == 1.0
    assert patience.then(10.25, is_spent=True).left_s == 0.75
    spent = patience.then(12, is_spent=False)
    assert spent.left_s == 0.0
    assert spent.then(14, is_spent=True).left_s == pytest.approx(0.2)
    assert spent.then(100, is_spent=True).left_s == 1.0
