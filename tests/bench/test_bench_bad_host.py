"""`imagedrift bench bad-host` runs, and checks its own result."""

import pytest

from imagedrift_bench.bad_host import LATER_S, MOST_DISK_MB, MOST_RSS_MB, complaints
from support.benchmark import run


def test_good_hosts_are_stored_and_judged_beside_a_bad_one() -> None:
    """The figures are there with the bad host and without it."""
    figures = run("bad-host", "--hosts", "20", "--seconds", "3", "--attack", "malformed")
    for name in ("alone", "malformed"):
        assert 0 < figures[f"{name}_stored_p50_s"] <= figures[f"{name}_stored_p99_s"]
        assert figures[f"{name}_judged_p99_s"] > 0
    assert figures["malformed_dead_letters"] > 0


ALONE = {
    "stored_p99_s": 0.2,
    "judged_p99_s": 0.5,
    "ingest_rss_mb": 100.0,
    "resolver_rss_mb": 90.0,
    "postgres_mb": 50.0,
    "nats_mb": 20.0,
}


@pytest.mark.parametrize(
    ("name", "allowed"),
    [
        ("stored_p99_s", 0.2 + LATER_S),
        ("judged_p99_s", 0.5 + LATER_S),
        ("ingest_rss_mb", MOST_RSS_MB),
        ("resolver_rss_mb", MOST_RSS_MB),
        ("postgres_mb", 50.0 + MOST_DISK_MB),
        ("nats_mb", 20.0 + MOST_DISK_MB),
    ],
)
def test_what_a_bad_host_costs_beyond_its_bound_is_a_complaint(name: str, allowed: float) -> None:
    """A figure at its bound passes, and one above it is complained of by name."""
    assert complaints(ALONE, ALONE | {name: allowed}) == []
    [words] = complaints(ALONE, ALONE | {name: allowed + 0.1})
    assert words.startswith(f"{name} is ")


@pytest.mark.parametrize("name", ["stored_p99_s", "judged_p99_s"])
def test_a_delay_that_was_not_measured_is_a_complaint(name: str) -> None:
    """A run in which no change was seen proves nothing, alone or beside a bad host."""
    assert complaints(ALONE, ALONE | {name: 0.0}) == [f"{name} was not measured"]
    assert complaints(ALONE | {name: 0.0}, ALONE) == [f"{name} was not measured"]
