"""Whether a registry that failed is asked again: a circuit breaker per registry.

    closed ── FAILURES in a row ──▶ open ── time passes ──▶ probing ── success ──▶ closed
                                     ▲                         │
                                     └──── failure, longer ────┘

A failure is no response that could be used: a refused answer is an answer. While open, nothing is
asked; while probing, one request at a time finds out.
"""

from datetime import datetime, timedelta
from typing import Final

from msgspec import Struct
from msgspec.structs import replace

FAILURES: Final = 3
FIRST_WAIT_S: Final = 15.0
LONGEST_WAIT_S: Final = 600.0
MOST_JITTER: Final = 0.2


class Breaker(Struct, frozen=True):
    """What the last requests to one registry were like."""

    failures: int = 0
    open_until: datetime | None = None
    probing_until: datetime | None = None
    """A probe is under way; should it never come back, another may start then."""
    last_error: str = ""


def is_open(breaker: Breaker, now: datetime) -> bool:
    """Tell whether nothing is asked now. A wait longer than any comes of a clock set back."""
    longest = timedelta(seconds=LONGEST_WAIT_S * (1 + MOST_JITTER))
    return breaker.open_until is not None and now < breaker.open_until <= now + longest


def admit(breaker: Breaker, now: datetime, probe_s: float) -> tuple[bool, Breaker]:
    """Tell whether a request may be made now, and the state to keep."""
    if breaker.open_until is None:
        return True, breaker
    if is_open(breaker, now) or (breaker.probing_until and now < breaker.probing_until):
        return False, breaker
    return True, replace(breaker, probing_until=now + timedelta(seconds=probe_s))


def succeeded(breaker: Breaker) -> Breaker:
    """Return the state after a usable response."""
    return breaker if breaker == _CLOSED else _CLOSED


def failed(breaker: Breaker, now: datetime, error: str, jitter: float = 0.0) -> Breaker:
    """Return the state after a failure; `jitter` (0 to 1) lengthens the wait."""
    failures = breaker.failures + 1
    if failures < FAILURES:
        return Breaker(failures, last_error=error)
    wait = min(FIRST_WAIT_S * 2.0 ** min(failures - FAILURES, 16), LONGEST_WAIT_S)
    until = now + timedelta(seconds=wait * (1 + MOST_JITTER * jitter))
    if breaker.open_until and breaker.probing_until is None:
        # Requests that were under way when it opened tell nothing new.
        return replace(breaker, last_error=error)
    return Breaker(failures, until, None, error)


_CLOSED: Final = Breaker()
