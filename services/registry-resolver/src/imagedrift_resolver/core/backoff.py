"""The back-off after a 429: how long a registry is not asked, and how slowly afterwards.

- A wait that the registry tells is kept, with a little jitter. Otherwise the published end of its
  window counts, and otherwise a minute, which doubles with each 429 that follows closely.
- A registry that publishes no limit is asked half as fast afterwards (`budget.pace`).
- Docker Hub's pull limit ends GETs alone, until its window has moved on by a tenth.
"""

from datetime import datetime, timedelta
from typing import Final

from msgspec.structs import replace

from imagedrift_resolver.core.limits import DEFAULT_WINDOW_S, clamped, wait_s
from imagedrift_resolver.core.reply import Reply
from imagedrift_schemas.v1 import RegistryState

UNTOLD_WAIT_S: Final = 60.0
LONGEST_UNTOLD_WAIT_S: Final = 3600.0
MOST_JITTER_S: Final = 30.0
SLOWEST: Final = 0.1


def stopped(state: RegistryState, until: datetime, why: str) -> RegistryState:
    """Return the state in which nothing is asked before `until`."""
    return replace(state, blocked_until=later(state.blocked_until, until), last_error=why)


def after_429(
    state: RegistryState,
    reply: Reply,
    now: datetime,
    untold: bool,
    rate: float,
    jitter: float,
) -> RegistryState:
    """Return the state after a 429; `untold`: the registry publishes no limit."""
    told = wait_s(reply, now)
    # An end that was published is kept to the second: jitter is for guesses of our own.
    wait = told or _reset_wait(state, now) or _longer(state, now)
    until = now + timedelta(seconds=wait + jitter * min(0.2 * wait, MOST_JITTER_S))
    state = stopped(state, until, "answered 429, too many requests")
    if not untold:
        return state
    slower = max(SLOWEST, min(rate, state.requests_per_second or rate) / 2)
    return replace(state, requests_per_second=slower, slowed_at=now)


def without_pulls(state: RegistryState, reply: Reply, now: datetime) -> RegistryState:
    """Return the state after the 429 of Docker Hub's pull limit."""
    until = now + timedelta(seconds=wait_s(reply, now) or _until_window_moves(state))
    return replace(state, get_blocked_until=until, last_error="pull limit used up")


def is_pull_limit(state: RegistryState, reply: Reply) -> bool:
    """Tell Docker Hub's pull limit from its abuse limit, whose 429 is bare text."""
    return reply.body.lstrip()[:1] == b"{" or state.rate_remaining == 0


def _until_window_moves(state: RegistryState) -> float:
    """A moving window gives back a little at a time: a tenth of it is worth coming back for."""
    return clamped((state.rate_window_s or DEFAULT_WINDOW_S) / 10)


def _reset_wait(state: RegistryState, now: datetime) -> float | None:
    if state.rate_remaining != 0 or state.rate_reset_at is None:
        return None
    return clamped((state.rate_reset_at - now).total_seconds())


def _longer(state: RegistryState, now: datetime) -> float:
    """Double the wait of a 429 that follows closely on the last one."""
    if state.blocked_until is None or state.slowed_at is None:
        return UNTOLD_WAIT_S
    last = (state.blocked_until - state.slowed_at).total_seconds()
    if (now - state.blocked_until).total_seconds() > 2 * last:
        return UNTOLD_WAIT_S
    return min(max(2 * last, UNTOLD_WAIT_S), LONGEST_UNTOLD_WAIT_S)


def later(one: datetime | None, other: datetime | None) -> datetime | None:
    """Return the later of two moments, if there is one."""
    return max((t for t in (one, other) if t), default=None)
