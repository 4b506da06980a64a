"""Budgets: when to ask, when to stop, and when to ask again."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from imagedrift_resolver.core import budget
from imagedrift_resolver.core.reply import Reply
from imagedrift_schemas.v1 import RegistryState

NOW = datetime(2026, 11, 24, 6, 0, tzinfo=UTC)
HUB = RegistryState(registry="docker.io", observed_at=NOW)
OTHER = RegistryState(registry="registry.example.org", observed_at=NOW)
PULL_LIMIT = b'{"errors":[{"code":"TOOMANYREQUESTS"}]}'


def after(seconds: float) -> datetime:
    """A moment later."""
    return NOW + timedelta(seconds=seconds)


def reply_with(remaining: int, limit: int = 100, window: int = 21600, status: int = 200) -> Reply:
    """A response with Docker Hub's headers."""
    return Reply(
        status,
        {
            "ratelimit-limit": (f"{limit};w={window}",),
            "ratelimit-remaining": (f"{remaining};w={window}",),
        },
    )


def test_a_new_registry_may_be_asked() -> None:
    """A registry without a known limit may be asked."""
    assert budget.refusal(None, "HEAD", NOW) is None
    assert budget.refusal(OTHER, "GET", NOW) is None
    assert budget.remaining(OTHER, "GET", NOW) is None


def test_a_published_limit_is_used_up_and_no_further() -> None:
    """A published limit is used up, and no request follows until its window ends."""
    state = budget.learn(OTHER, reply_with(1, window=60), "HEAD", NOW)
    assert budget.refusal(state, "HEAD", NOW) is None
    state = budget.learn(state, reply_with(0, window=60), "HEAD", after(1))
    refused = budget.refusal(state, "HEAD", after(2))
    assert refused is not None
    assert refused.until == after(60)
    assert "0 of 100" in refused.reason
    assert budget.refusal(state, "HEAD", after(61)) is None


def test_docker_hub_counts_gets_alone() -> None:
    """On Docker Hub a HEAD is free."""
    state = budget.learn(HUB, reply_with(0), "HEAD", NOW, is_hub=True)
    assert budget.refusal(state, "HEAD", NOW, is_hub=True) is None
    assert budget.refusal(state, "GET", NOW, is_hub=True) is not None


def test_docker_hubs_last_fifth_is_left_to_real_pulls() -> None:
    """The last fifth of Docker Hub's limit is left to real pulls."""
    assert (
        budget.refusal(
            budget.learn(HUB, reply_with(21), "HEAD", NOW, is_hub=True), "GET", NOW, is_hub=True
        )
        is None
    )
    refused = budget.refusal(
        budget.learn(HUB, reply_with(20), "HEAD", NOW, is_hub=True), "GET", NOW, is_hub=True
    )
    assert refused is not None
    assert "20 kept for pulls" in refused.reason


def test_docker_hubs_pull_limit_ends_gets_alone() -> None:
    """Docker Hub's pull limit stops GETs, and HEADs go on."""
    reply = replace(reply_with(0, status=429), body=PULL_LIMIT)
    state = budget.learn(HUB, reply, "GET", NOW, is_hub=True)
    assert state.blocked_until is None
    assert state.get_blocked_until == after(2160)
    assert budget.refusal(state, "HEAD", after(1), is_hub=True) is None
    assert budget.refusal(state, "GET", after(2159), is_hub=True) is not None


def test_a_mirror_of_docker_hub_is_an_ordinary_registry() -> None:
    """A mirror of Docker Hub has an ordinary registry's limits."""
    assert budget.refusal(budget.learn(HUB, reply_with(20), "HEAD", NOW), "GET", NOW) is None
    used_up = budget.learn(HUB, reply_with(0), "HEAD", NOW)
    assert budget.refusal(used_up, "HEAD", NOW) is not None
    limited = budget.learn(HUB, replace(reply_with(0, status=429), body=PULL_LIMIT), "GET", NOW)
    assert limited.get_blocked_until is None
    assert budget.refusal(limited, "HEAD", after(1)) is not None


def test_a_spare_request_leaves_half_of_the_limit() -> None:
    """An optional request is made only from the first half of a limit."""
    assert budget.refusal(OTHER, "GET", NOW, spare=True) is None
    plenty = budget.learn(OTHER, reply_with(51), "HEAD", NOW)
    assert budget.refusal(plenty, "GET", NOW, spare=True) is None
    half = budget.learn(OTHER, reply_with(50), "HEAD", NOW)
    refused = budget.refusal(half, "GET", NOW, spare=True)
    assert refused is not None
    assert refused.until == after(21600)
    assert budget.refusal(half, "GET", NOW) is None


def test_turns_at_a_pace_do_not_overlap() -> None:
    """A turn that one replica was promised is not promised to another."""
    first, state = budget.reserve(OTHER, 2, 4, NOW)
    second, state = budget.reserve(state, 2, 2, after(0.5))
    third, _ = budget.reserve(state, 2, 1, after(60))
    assert (first, second, third) == (NOW, after(2), after(60))


def test_a_good_answer_clears_the_error() -> None:
    """The last error is over once the registry answers again."""
    state = budget.learn(OTHER, Reply(429), "HEAD", NOW, rate=8)
    assert state.last_error
    assert budget.learn(state, Reply(200), "HEAD", after(100)).last_error == ""


def test_what_a_wrong_clock_told_is_not_believed() -> None:
    """Blocks and counts of a replica with a wrong clock are ignored."""
    early = replace(OTHER, blocked_until=after(7200), rate_remaining=0, observed_at=after(3600))
    known = budget.believable(early, NOW)
    assert (known.blocked_until, known.rate_remaining, known.observed_at) == (None, None, NOW)
    near = replace(early, observed_at=after(59))
    assert budget.believable(near, NOW) == near


moments = st.integers(-1000, 1000).map(after)
states = st.builds(
    RegistryState,
    registry=st.just("r.example"),
    rate_remaining=st.none() | st.integers(0, 100),
    blocked_until=st.none() | moments,
    get_blocked_until=st.none() | moments,
    requests_per_second=st.none() | st.floats(0.1, 100),
    slowed_at=st.none() | moments,
    paced_until=st.none() | moments,
    observed_at=moments,
)


@given(states, states)
def test_joining_forgets_no_stop(one: RegistryState, other: RegistryState) -> None:
    """Of two states the stricter stop holds and the newer view wins, in either order."""
    both = budget.merged(one, other)
    for field in ("blocked_until", "get_blocked_until", "paced_until"):
        known = [v for v in (getattr(one, field), getattr(other, field)) if v]
        assert getattr(both, field) == (max(known) if known else None)
    assert both.observed_at == max(one.observed_at, other.observed_at)
    swapped = budget.merged(other, one)
    if one.observed_at != other.observed_at:
        assert swapped.rate_remaining == both.rate_remaining


@given(states, st.sampled_from([200, 401, 404, 429, 503]), st.binary(max_size=50), moments)
def test_what_is_learnt_never_asks_sooner(
    state: RegistryState, status: int, body: bytes, at: datetime
) -> None:
    """No response shortens a block."""
    learnt = budget.learn(state, Reply(status, body=body), "HEAD", at, rate=1.0)
    if state.blocked_until:
        assert learnt.blocked_until
        assert learnt.blocked_until >= state.blocked_until
    if status == 429:
        assert budget.refusal(learnt, "HEAD", at) is not None


@pytest.mark.parametrize("method", ["HEAD", "GET"])
def test_a_stop_holds_for_every_method(method: str) -> None:
    """A block after a 429 holds for every method."""
    state = replace(OTHER, blocked_until=after(10), last_error="answered 429")
    refused = budget.refusal(state, method, after(9))
    assert refused is not None
    assert "answered 429" in refused.reason
    assert budget.refusal(state, method, after(10)) is None
