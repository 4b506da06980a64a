"""The agent's benchmark runs, and its figures are within the promised limits."""

from support.benchmark import run


def test_the_agents_benchmark_keeps_the_promises_that_no_other_load_can_break() -> None:
    """An agent's memory and processor time are within their limits, on a busy machine too."""
    figures = run("agent", "--idle", "5")

    assert figures["rss_mb"] <= 46
    assert figures["cpu_seconds_per_hour"] <= 5
    assert figures["first_inventory_ms"] > 0
    assert figures["event_to_inventory_ms"] <= 5000
