"""`imagedrift bench bad-host` runs, and checks its own result."""

from support.benchmark import run


def test_good_hosts_are_stored_and_judged_beside_a_bad_one() -> None:
    """The figures are there with the bad host and without it."""
    figures = run("bad-host", "--hosts", "20", "--seconds", "3", "--attack", "malformed")
    for name in ("alone", "malformed"):
        assert 0 < figures[f"{name}_stored_p50_s"] <= figures[f"{name}_stored_p99_s"]
        assert figures[f"{name}_judged_p99_s"] > 0
    assert figures["malformed_dead_letters"] > 0


def test_bombs_take_no_more_memory_than_one_of_them() -> None:
    """Ingest that is sent bombs of 26 MB on and on has the memory of one of them at a time."""
    figures = run("bad-host", "--hosts", "20", "--seconds", "5", "--attack", "bombs")
    assert figures["bombs_dead_letters"] > 0
    assert figures["bombs_ingest_rss_mb"] < 250
