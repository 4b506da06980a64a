"""The back-off after a 429: the wait, and the pace afterwards."""

from datetime import UTC, datetime, timedelta

from imagedrift_resolver.core import backoff, budget
from imagedrift_resolver.core.reply import Reply
from imagedrift_schemas.v1 import RegistryState

NOW = datetime(2026, 11, 24, 6, 0, tzinfo=UTC)
HUB = RegistryState(registry="docker.io", observed_at=NOW)
OTHER = RegistryState(registry="registry.example.org", observed_at=NOW)


USED_UP = Reply(429, {"ratelimit-limit": ("100",), "ratelimit-remaining": ("0",)})


def after(seconds: float) -> datetime:
    """A moment later."""
    return NOW + timedelta(seconds=seconds)


def test_docker_hubs_abuse_limit_ends_everything_and_longer_each_time() -> None:
    """A bare 429 stops all requests, twice as long each time, up to an hour."""
    state, at, waits = HUB, NOW, []
    for _ in range(8):
        state = budget.learn(state, Reply(429, body=b"Too Many Requests"), "HEAD", at, rate=10)
        assert state.blocked_until is not None
        waits.append((state.blocked_until - at).total_seconds())
        at = state.blocked_until + timedelta(seconds=1)
    assert waits == [60, 120, 240, 480, 960, 1920, 3600, 3600]


def test_retry_after_is_obeyed_with_jitter() -> None:
    """Retry-After is kept, with a little jitter added."""
    reply = Reply(429, {"retry-after": ("100",)})
    assert budget.learn(OTHER, reply, "HEAD", NOW).blocked_until == after(100)
    assert budget.learn(OTHER, reply, "HEAD", NOW, jitter=1.0).blocked_until == after(120)


def test_jitter_on_a_long_wait_is_short() -> None:
    """The jitter of a long wait is short."""
    reply = Reply(429, {"retry-after": ("3600",)})
    assert budget.learn(OTHER, reply, "HEAD", NOW, jitter=1.0).blocked_until == after(3630)


def test_a_503_that_says_when_to_come_back_is_obeyed() -> None:
    """A 503 with Retry-After is a block, and one without it a failure."""
    state = budget.learn(OTHER, Reply(503, {"retry-after": ("30",)}), "HEAD", NOW)
    assert state.blocked_until == after(30)
    assert budget.refusal(state, "HEAD", after(29)) is not None
    assert budget.learn(OTHER, Reply(503), "HEAD", NOW).blocked_until is None


def test_a_429_without_a_published_limit_finds_a_pace() -> None:
    """A 429 without a published limit sets a pace of half the requests before."""
    state = budget.learn(OTHER, Reply(429), "HEAD", NOW, rate=8)
    assert budget.pace(state, None, NOW) == 4
    assert budget.pace(state, None, after(60)) == 5
    assert budget.pace(state, 2, after(60)) == 2
    again = budget.learn(state, Reply(429), "HEAD", after(120), rate=6)
    assert again.requests_per_second == 2


def test_a_429_with_a_published_limit_finds_no_pace() -> None:
    """A registry that publishes its limit is believed."""
    state = budget.learn(
        OTHER,
        USED_UP,
        "HEAD",
        NOW,
        rate=8,
    )
    assert budget.pace(state, None, NOW) is None
    assert state.blocked_until is not None


def test_the_pull_limit_is_told_apart_by_its_document_or_by_a_used_up_count() -> None:
    """Bare text is the abuse limit of Docker Hub, unless nothing is left of its pull limit."""
    used_up = RegistryState(registry="docker.io", observed_at=NOW, rate_remaining=0)

    assert backoff.is_pull_limit(HUB, Reply(429, body=b' {"errors":[]}'))
    assert not backoff.is_pull_limit(HUB, Reply(429, body=b"Too Many Requests"))
    assert backoff.is_pull_limit(used_up, Reply(429, body=b"Too Many Requests"))


def test_a_block_is_never_shortened() -> None:
    """A later end that was known before stays, and the newest reason is told."""
    long = backoff.stopped(OTHER, after(60), "first")

    shorter = backoff.stopped(long, after(10), "second")

    assert (shorter.blocked_until, shorter.last_error) == (after(60), "second")
