"""`imagedrift bench pages` runs, and checks each page and that every viewer is told."""

from support.benchmark import run


def test_every_page_is_timed_and_viewers_are_told() -> None:
    """Pages are small, and a viewer hears of a tag that moves."""
    figures = run("pages", "--hosts", "300", "--images", "5", "--viewers", "3")
    assert {"fleet_ms", "due_text_ms", "visible_with_viewers_ms"} <= figures.keys()
    assert 0 < figures["ingest_lag_with_viewers_ms"] < 10_000
    assert 0 < figures["largest_page_bytes"] < 100_000
    assert 0 <= figures["first_to_last_viewer_told_ms"] < 10_000
    assert figures["dashboard_peak_rss_mb"] > 0
