"""Served time: the seconds for which the event loop served its sockets."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from imagedrift_resolver.core.served_time import TICK_S, ServedTime


@pytest.mark.parametrize(
    ("late_s", "counted_s"),
    [
        (0.0, TICK_S),
        (0.2 * TICK_S, 0.8 * TICK_S),
        (TICK_S, 0.0),
        (1.5 * TICK_S, 0.0),
        (100.0, 0.0),
    ],
)
def test_a_tick_counts_less_what_it_was_late(late_s: float, counted_s: float) -> None:
    """A tick that was late by its own length or more counts nothing."""
    after = ServedTime(7.0, 100.0).ticked(100.0 + TICK_S + late_s)
    assert after.counted_s == pytest.approx(7.0 + counted_s)
    assert after.ticked_at == 100.0 + TICK_S + late_s


def test_between_two_ticks_time_goes_on() -> None:
    """A moment before the next tick is counted in full, and one from before the last not at all."""
    served = ServedTime(7.0, 100.0)
    assert served.at(100.0 + TICK_S / 2) == pytest.approx(7.0 + TICK_S / 2)
    assert served.at(99.0) == 7.0


@given(st.lists(st.floats(0, 10), max_size=50))
def test_no_more_is_counted_than_has_passed(ticks: list[float]) -> None:
    """However late ticks are, served time goes on, and not faster than time itself."""
    served = ServedTime()
    for passed_s in ticks:
        after = served.ticked(served.ticked_at + passed_s)
        assert 0 <= after.counted_s - served.counted_s <= passed_s + 1e-9
        served = after
