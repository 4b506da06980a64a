"""How long the large inventories of one host wait for each other."""

from hypothesis import given
from hypothesis import strategies as st

from imagedrift_ingest.core.pacing import AT_WORK_S, LONGEST_S, MOST_RESTING, REST, Pacing

BIG = ("fra1", "big")


def test_another_large_inventory_waits_while_one_is_worked_on() -> None:
    """Two workers never store two large inventories of one host at once."""
    pacing = Pacing()
    assert pacing.wait_s(BIG, 10.0) == 0
    pacing.begin(BIG)
    assert pacing.wait_s(BIG, 11.0) == AT_WORK_S
    assert pacing.wait_s(("fra1", "other"), 11.0) == 0


def test_a_host_rests_in_proportion_to_what_it_took() -> None:
    """After a large inventory a host waits ten times as long as that took."""
    pacing = Pacing()
    pacing.begin(BIG)
    pacing.end(BIG, began=10.0, ended=12.0)
    assert pacing.wait_s(BIG, 12.0) == 2 * REST
    assert pacing.wait_s(BIG, 12.0 + 2 * REST) == 0


@given(st.lists(st.floats(0.001, 100.0), min_size=1, max_size=50))
def test_one_host_never_takes_more_than_its_part_of_the_time(durations: list[float]) -> None:
    """In the long run one host takes a tenth of the time at most."""
    pacing, at, worked = Pacing(), 0.0, 0.0
    for took in durations:
        at += pacing.wait_s(BIG, at)
        pacing.begin(BIG)
        pacing.end(BIG, at, at + took)
        at, worked = at + took, worked + min(took, LONGEST_S / REST)
    at += pacing.wait_s(BIG, at)
    assert worked <= at / REST + 1e-6


def test_hosts_that_rest_are_bounded_in_number() -> None:
    """The number of waiting hosts is bounded."""
    pacing = Pacing()
    for number in range(MOST_RESTING + 10):
        pacing.end(("fra1", str(number)), 0.0, 1.0)
    assert pacing.wait_s(("fra1", str(MOST_RESTING + 5)), 1.0) == 0
    pacing.end(BIG, 1000.0, 1001.0)
    assert pacing.wait_s(BIG, 1001.0) == REST
