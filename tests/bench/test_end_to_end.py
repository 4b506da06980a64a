"""`imagedrift bench end-to-end` measures what the contract names, and checks its own result."""

from support.benchmark import run


def test_the_last_line_is_the_result_as_json() -> None:
    """A small run ends with the figures of the contract, in a sensible order, and exit 0."""
    figures = run("end-to-end", "--images", "4", "--changes", "3", "--pushes", "2", within_s=90)

    assert 0 < figures["floor_p50_ms"] < figures["p50_ms"] <= figures["p99_ms"]
    assert 0 < figures["pushed_once_due_p50_ms"] <= figures["pushed_p50_ms"]
