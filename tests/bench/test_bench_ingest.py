"""`imagedrift bench ingest` runs, and checks its own result."""

from support.benchmark import run


def test_an_unchanged_host_writes_no_row_of_an_image() -> None:
    """Neither by its heartbeat nor by its whole inventory."""
    figures = run("ingest", "--hosts", "200", "--images", "5")
    assert figures["cold_seconds"] > 0
    assert figures["unchanged_hosts_per_second"] > 0
    assert figures["wal_bytes_per_unchanged_image_row"] == 0
    assert figures["wal_bytes_per_sent_again_image_row"] == 0
