"""Budgets: exactly what is over a limit is refused, in each vendor's words."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from imagedrift_sandbox.registry.budgets import Budget, Dialect, Meter, Wait
from imagedrift_sandbox.registry.routes import RouteKind

NOW = 1_790_000_000.0


@given(limit=st.integers(0, 8), spent=st.integers(0, 12))
def test_a_budget_refuses_exactly_what_is_over_it(limit: int, spent: int) -> None:
    """Of `spent` requests `limit` pass; HEADs are free; a new window begins afresh."""
    meter = Meter(Budget(limit=limit, window_s=60))
    refused = [meter.charge(RouteKind.MANIFEST_GET, "", NOW).refused for _ in range(spent)]

    assert refused.count(False) == min(limit, spent)
    assert refused == sorted(refused)
    assert not meter.charge(RouteKind.MANIFEST_HEAD, "", NOW).refused
    assert meter.charge(RouteKind.MANIFEST_GET, "", NOW + 60).refused is (limit == 0)


def test_every_user_has_a_budget_of_its_own() -> None:
    """One user's requests do not spend another's budget."""
    meter = Meter(Budget(limit=1))
    meter.charge(RouteKind.MANIFEST_GET, "first", NOW)

    assert meter.charge(RouteKind.MANIFEST_GET, "first", NOW).refused
    assert not meter.charge(RouteKind.MANIFEST_GET, "second", NOW).refused


@pytest.mark.parametrize(
    ("dialect", "headers"),
    [
        (Dialect.NONE, {}),
        (
            Dialect.DOCKER_HUB,
            {
                "ratelimit-limit": "100;w=60",
                "ratelimit-remaining": "99;w=60",
                "docker-ratelimit-source": "192.0.2.1",
            },
        ),
        (
            Dialect.X_RATELIMIT,
            {
                "X-RateLimit-Limit": "100",
                "X-RateLimit-Remaining": "99",
                "X-RateLimit-Reset": "1790000060",
            },
        ),
        (
            Dialect.IETF_FIELDS,
            {"RateLimit-Limit": "100", "RateLimit-Remaining": "99", "RateLimit-Reset": "60"},
        ),
        (Dialect.IETF_ONE, {"RateLimit": "limit=100, remaining=99, reset=60"}),
        (
            Dialect.IETF_POLICY,
            {"RateLimit-Policy": '"default";q=100;w=60', "RateLimit": '"default";r=99;t=60'},
        ),
    ],
)
def test_a_limit_is_told_in_each_dialect(dialect: Dialect, headers: dict[str, str]) -> None:
    """Limit, remaining and reset appear as that dialect spells them."""
    meter = Meter(Budget(limit=100, window_s=60, dialect=dialect))

    assert meter.charge(RouteKind.MANIFEST_GET, "", NOW).headers == headers


@pytest.mark.parametrize(
    ("wait", "headers", "words"),
    [
        (Wait.NONE, {}, "pull rate limit"),
        (Wait.SECONDS, {"Retry-After": "60"}, ""),
        (Wait.DATE, {"Retry-After": "Mon, 21 Sep 2026 14:14:20 GMT"}, ""),
        (Wait.EPOCH, {"Retry-After": "1790000060"}, ""),
        (Wait.X_EPOCH, {"X-Retry-After": "1790000060"}, ""),
        (Wait.BODY, {}, "retry-after: 331.163µs"),
    ],
)
def test_a_refusal_says_when_to_come_back(wait: Wait, headers: dict[str, str], words: str) -> None:
    """The wait appears where that registry would put it."""
    meter = Meter(Budget(limit=0, window_s=60, dialect=Dialect.NONE, wait=wait))
    charge = meter.charge(RouteKind.MANIFEST_GET, "", NOW)

    assert charge.refused
    assert charge.headers == headers
    assert words in charge.message
