"""How many requests may be under way at once."""

from imagedrift_resolver.core.concurrency import (
    MOST,
    STEP,
    after_limit,
    after_success,
    initial,
)


def test_an_unknown_registry_is_met_with_one_request_at_a_time() -> None:
    """An unknown registry gets one request at a time, and more after good answers."""
    concurrency = initial(None)
    assert concurrency.size == 1
    for _ in range(STEP):
        assert concurrency.size == 1
        concurrency = after_success(concurrency)
    assert concurrency.size == 2
    for _ in range(STEP * MOST):
        concurrency = after_success(concurrency)
    assert concurrency.size == MOST


def test_a_configured_registry_is_used_as_configured() -> None:
    """A configured number of connections holds from the start."""
    concurrency = initial(100)
    assert concurrency.size == 100
    assert after_success(concurrency).size == 100


def test_a_429_halves_it() -> None:
    """A 429 halves the number of requests at a time."""
    concurrency = after_limit(initial(5))
    assert concurrency.size == 2
    assert after_limit(after_limit(concurrency)).size == 1
    for _ in range(STEP):
        concurrency = after_success(concurrency)
    assert concurrency.size == 3
