"""`imagedrift bench lookup` runs, and checks its own result."""

from support.benchmark import run


def test_references_are_looked_up_at_once() -> None:
    """References are looked up at once, far faster than one after the other."""
    figures = run("lookup", "--references", "300", "--latency", "0.05")
    assert figures["requests"] == 300
    assert figures["seconds"] < 300 * 0.05
    assert figures["ratio_to_floor"] >= 1
