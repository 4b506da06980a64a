"""`imagedrift bench budget` runs, and checks its own result."""

from support.benchmark import run


def test_a_limit_costs_one_request_in_vain() -> None:
    """A registry's limit costs one rejected request, and every reference keeps an answer."""
    figures = run("budget", "--references", "58", "--allow", "20")
    assert figures["answered"] == 20
    assert figures["rejected_requests"] == 1
    assert figures["unknown"] == figures["kept_with_age"] == 38
