"""How many requests may be under way at once."""

from imagedrift_resolver.core.concurrency import (
    MOST,
    STEP,
    after_limit,
    after_success,
    initial,
)


def test_an_unknown_registry_is_met_with_one_request_at_a_time() -> None:
    """One more at a time after every so many good answers, up to a bound."""
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
    """The operator's number holds from the start and is never exceeded."""
    concurrency = initial(100)
    assert concurrency.size == 100
    assert after_success(concurrency).size == 100


def test_a_429_halves_it() -> None:
    """Down to one, and slowly up again."""
    concurrency = after_limit(initial(5))
    assert concurrency.size == 2
    assert after_limit(after_limit(concurrency)).size == 1
    for _ in range(STEP):
        concurrency = after_success(concurrency)
    assert concurrency.size == 3
