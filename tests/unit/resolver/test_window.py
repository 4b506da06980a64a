"""How many requests may be under way at once."""

from imagedrift_resolver.core.window import (
    MOST,
    STEP,
    after_limit,
    after_success,
    first_window,
)


def test_an_unknown_registry_is_met_with_one_request_at_a_time() -> None:
    """One more at a time after every so many good answers, up to a bound."""
    window = first_window(None)
    assert window.size == 1
    for _ in range(STEP):
        assert window.size == 1
        window = after_success(window)
    assert window.size == 2
    for _ in range(STEP * MOST):
        window = after_success(window)
    assert window.size == MOST


def test_a_configured_registry_is_used_as_configured() -> None:
    """The operator's number holds from the start and is never exceeded."""
    window = first_window(100)
    assert window.size == 100
    assert after_success(window).size == 100


def test_a_429_halves_it() -> None:
    """Down to one, and slowly up again."""
    window = after_limit(first_window(5))
    assert window.size == 2
    assert after_limit(after_limit(window)).size == 1
    for _ in range(STEP):
        window = after_success(window)
    assert window.size == 3
