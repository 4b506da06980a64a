"""The budget of a registry: how many requests are left, and whether to make one now.

One `RegistryState` per (registry, credential) is shared by all replicas and survives restarts.

- Docker Hub counts GETs of manifests and nothing else; HEAD tells what is left for free. Its GETs
  are spent on `Describe` alone, and the last fifth is left to the hosts behind the same address,
  which need it for real pulls.
- Any other registry, a mirror of Docker Hub's images among them, is taken to count every request,
  and its limit is used up to the last one.
- A spare request is made only while more than half of the limit is left.
- Docker Hub has two kinds of 429: the pull limit (a JSON document, or nothing remaining) ends GETs
  until the window moves on; the abuse limit (bare text) ends everything, longer each time.
- How long a 429 lasts is in `backoff`. A 503 that tells when to come back is obeyed like one.
- A registry that publishes no limit and still says 429 gets a pace: half of what it was asked,
  rising slowly while it is content.
"""

from datetime import datetime, timedelta
from typing import Final

from msgspec.structs import replace

from imagedrift_resolver.core.backoff import after_429, is_pull_limit, later, stopped, without_pulls
from imagedrift_resolver.core.clock_skew import is_in_future
from imagedrift_resolver.core.limits import DEFAULT_WINDOW_S, Limits, read_limits, wait_s
from imagedrift_resolver.core.reply import Reply
from imagedrift_schemas.v1 import Limited, RegistryState

RESERVE: Final = 0.2
RISE_PER_S: Final = 1 / 60
"""Requests per second that a pace gains in a second without a 429."""


def refusal(
    state: RegistryState | None,
    method: str,
    now: datetime,
    *,
    is_hub: bool = False,
    spare: bool = False,
) -> Limited | None:
    """Return why a request must not be made now, or None. `is_hub`: Docker Hub itself is asked."""
    if state is None:
        return None
    if state.blocked_until and now < state.blocked_until:
        return Limited(
            reason=f"{state.registry} asked us to wait ({state.last_error or 'limit used up'})",
            until=state.blocked_until,
        )
    if not _counts(method, is_hub):
        return None
    if state.get_blocked_until and now < state.get_blocked_until:
        return Limited(reason="the pull limit is used up", until=state.get_blocked_until)
    left = remaining(state, method, now, is_hub=is_hub)
    if left is not None and left <= 0:
        return Limited(reason=_used_up(state, is_hub), until=_resets_at(state))
    if spare and left is not None and 2 * (state.rate_remaining or 0) <= (state.rate_limit or 0):
        return Limited(
            reason="half of the limit is kept for other requests", until=_resets_at(state)
        )
    return None


def remaining(
    state: RegistryState | None, method: str, now: datetime, *, is_hub: bool = False
) -> int | None:
    """Return how many such requests may still be made in this window; None when nobody knows."""
    if state is None or state.rate_remaining is None or now >= _resets_at(state):
        return None
    if not _counts(method, is_hub):
        return None
    return state.rate_remaining - _reserved(state, is_hub)


def learn(
    state: RegistryState,
    reply: Reply,
    method: str,
    now: datetime,
    *,
    rate: float = 0.0,
    jitter: float = 0.0,
    is_hub: bool = False,
) -> RegistryState:
    """Return the state after a response.

    `rate` is at how many requests a second we asked lately; `jitter` (0 to 1) lengthens a wait, so
    that replicas do not return together.
    """
    limits = read_limits(reply, now)
    state = replace(state, last_status=reply.status, observed_at=now)
    if limits:
        state = _with_limits(state, limits, now, is_hub)
    if reply.status == 429 and is_hub and method == "GET" and is_pull_limit(state, reply):
        return without_pulls(state, reply, now)
    if reply.status == 429:
        return after_429(state, reply, now, limits is None, rate, jitter)
    if reply.status == 503 and (told := wait_s(reply, now)):
        return stopped(state, now + timedelta(seconds=told), "answered 503, and when to come back")
    if reply.status < 500:  # it answers, whatever it says
        state = replace(state, last_error="")
    return state


def pace(state: RegistryState | None, configured: float | None, now: datetime) -> float | None:
    """Return how many requests a second may be made; None: as many as one likes."""
    if state is None or state.requests_per_second is None:
        return configured
    calm = max(0.0, (now - (state.slowed_at or state.observed_at)).total_seconds())
    found = state.requests_per_second + RISE_PER_S * calm
    return found if configured is None else min(found, configured)


def reserve(
    state: RegistryState, rate: float, count: int, now: datetime
) -> tuple[datetime, RegistryState]:
    """Promise `count` requests at `rate` a second: when the first may go, and the state to keep."""
    start = max(now, state.paced_until or now)
    until = start + timedelta(seconds=count / rate)
    return start, replace(state, paced_until=until)


def paced(state: RegistryState, until: datetime | None) -> RegistryState:
    """Return the state with the requests promised to the registry's other credentials."""
    return replace(state, paced_until=later(state.paced_until, until))


def believable(state: RegistryState, now: datetime) -> RegistryState:
    """Return the state, or an empty one where a wrong clock dated it."""
    if not is_in_future(state.observed_at, now):
        return state
    return RegistryState(registry=state.registry, credential=state.credential, observed_at=now)


def merged(shared: RegistryState, own: RegistryState) -> RegistryState:
    """Join the states of two replicas: the newer view of the budget, the stricter one of a stop."""
    newer, older = (own, shared) if own.observed_at >= shared.observed_at else (shared, own)
    slower = max(shared, own, key=lambda s: (s.slowed_at is not None, s.slowed_at or s.observed_at))
    return replace(
        newer,
        rate_limit=_first_known(newer.rate_limit, older.rate_limit),
        rate_remaining=_first_known(newer.rate_remaining, older.rate_remaining),
        rate_window_s=_first_known(newer.rate_window_s, older.rate_window_s),
        rate_reset_at=newer.rate_reset_at or older.rate_reset_at,
        blocked_until=later(shared.blocked_until, own.blocked_until),
        get_blocked_until=later(shared.get_blocked_until, own.get_blocked_until),
        paced_until=later(shared.paced_until, own.paced_until),
        requests_per_second=slower.requests_per_second,
        slowed_at=slower.slowed_at,
    )


def _with_limits(
    state: RegistryState, limits: Limits, now: datetime, is_hub: bool
) -> RegistryState:
    window = _first_known(limits.window_s, state.rate_window_s)
    reset_at = limits.reset_at
    if reset_at is None and state.rate_reset_at and now < state.rate_reset_at:
        reset_at = state.rate_reset_at  # the window that we know of has not ended
    if reset_at is None or is_hub:  # Hub's window moves with every request
        reset_at = now + timedelta(seconds=window or DEFAULT_WINDOW_S)
    return replace(
        state,
        rate_limit=_first_known(limits.limit, state.rate_limit),
        rate_remaining=limits.remaining,
        rate_window_s=window,
        rate_reset_at=reset_at,
    )


def _used_up(state: RegistryState, is_hub: bool) -> str:
    reserved = _reserved(state, is_hub)
    kept = f", {reserved} kept for pulls" if reserved else ""
    return f"{state.rate_remaining} of {state.rate_limit} requests remain{kept}"


def _reserved(state: RegistryState, is_hub: bool) -> int:
    return int((state.rate_limit or 0) * RESERVE) if is_hub else 0


def _resets_at(state: RegistryState) -> datetime:
    after = timedelta(seconds=state.rate_window_s or DEFAULT_WINDOW_S)
    return state.rate_reset_at or state.observed_at + after


def _counts(method: str, is_hub: bool) -> bool:
    return method != "HEAD" or not is_hub


def _first_known(first: int | None, second: int | None) -> int | None:
    return second if first is None else first
