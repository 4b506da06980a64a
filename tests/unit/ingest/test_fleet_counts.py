"""Which process counts the fleet, and for how long its figures hold."""

import pytest

from imagedrift_ingest.core.fleet_counts import (
    LastExport,
    by_cause,
    by_state,
    holds_until,
    is_to_count,
)

PERIOD_S = 60.0


@pytest.mark.parametrize(
    ("last", "counts"),
    [
        (None, True),
        (LastExport(is_ours=True, age_s=0.0), True),
        (LastExport(is_ours=True, age_s=900.0), True),
        (LastExport(is_ours=False, age_s=119.9), False),
        (LastExport(is_ours=False, age_s=120.0), True),
        (LastExport(is_ours=False, age_s=-0.1), False),
        (LastExport(is_ours=False, age_s=-86_400.0), True),
    ],
)
def test_a_process_counts_where_no_other_one_does(last: LastExport | None, counts: bool) -> None:
    """The process that counted last goes on; another one takes over after two periods."""
    assert is_to_count(last, PERIOD_S) is counts


def test_figures_hold_no_longer_than_until_another_process_takes_over() -> None:
    """Two processes never show figures at once: the first one's end when the second may begin."""
    began, noted = 1_000.0, 1_003.0
    until = holds_until(began, PERIOD_S)
    assert not is_to_count(LastExport(is_ours=False, age_s=until - noted), PERIOD_S)
    assert until == began + 120.0


def test_hosts_have_one_state_each() -> None:
    """The states of hosts add up to all hosts, and causes to all due images."""
    assert by_state(10, 2, 3) == {"well": 5, "silent": 2, "degraded": 3}
    assert by_cause(7, 3) == {"outdated": 4, "version": 3}
