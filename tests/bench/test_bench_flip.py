"""`imagedrift bench flip` runs, and checks its own result."""

from support.benchmark import run


def test_a_moved_tag_writes_no_row_of_a_host() -> None:
    """The rows of images that change do not grow with the fleet."""
    figures = run("flip", "--hosts", "200")
    assert 0 < figures["rows_written"] < 200
