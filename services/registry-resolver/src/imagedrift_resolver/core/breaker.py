"""Whether a registry that failed is asked again: a circuit breaker per registry.

    closed ── FAILURES in a row ──▶ open ── time passes ──▶ probing ── success ──▶ closed
                                     ▲                         │
                                     └──── failure, longer ────┘

It is about the host. No connection and no response count, whatever was asked. An error that the
host did answer may be one image's (distribution/distribution#3842), so it counts once for each
question. Such errors open it from `FAILURES` questions on, unless the host has shown in between
that it is well; then from `MOST_ERRORS` on.

While open, nothing is asked; while probing, one request at a time finds out: a question that was
answered well before. The first other one is sent away, and with it all that come within
`PATIENCE_S`, in case none of those comes.
"""

from datetime import datetime, timedelta
from typing import Final

from msgspec import Struct
from msgspec.structs import replace

FAILURES: Final = 3
MOST_ERRORS: Final = 32
FIRST_WAIT_S: Final = 15.0
LONGEST_WAIT_S: Final = 600.0
PATIENCE_S: Final = 10.0
MOST_JITTER: Final = 0.2


class Breaker(Struct, frozen=True):
    """How the last requests to one registry went."""

    failures: int = 0
    open_until: datetime | None = None
    probing_until: datetime | None = None
    """A probe is under way; should it never come back, another may start then."""
    patient_until: datetime | None = None
    """Until then a question that worked before is waited for."""
    last_error: str = ""
    errors: frozenset[str] = frozenset()
    """Questions that were answered with an error since the last good answer."""
    is_well: bool = False
    """The host answered something else meanwhile: those errors are the questions' own."""


def is_open(breaker: Breaker, now: datetime) -> bool:
    """Tell whether nothing is asked now. A wait longer than any comes of a clock set back."""
    longest = timedelta(seconds=LONGEST_WAIT_S * (1 + MOST_JITTER))
    return breaker.open_until is not None and now < breaker.open_until <= now + longest


def admit(
    breaker: Breaker, now: datetime, probe_s: float, *, is_proven: bool = True
) -> tuple[bool, Breaker]:
    """Tell whether a request may be made now, and the state to keep.

    `is_proven`: the question was answered well before, or none was.
    """
    if breaker.open_until is None:
        return True, breaker
    if is_open(breaker, now) or (breaker.probing_until and now < breaker.probing_until):
        return False, breaker
    patience = timedelta(seconds=PATIENCE_S)
    patient_until = breaker.patient_until or now + patience
    if not is_proven and now < patient_until <= now + patience:
        return False, replace(breaker, patient_until=patient_until)
    return True, replace(breaker, probing_until=now + timedelta(seconds=probe_s))


def succeeded(breaker: Breaker) -> Breaker:
    """Return the state after a usable response."""
    return breaker if breaker == _CLOSED else _CLOSED


def doubts(breaker: Breaker, question: str) -> bool:
    """Tell whether one more error would open it, had the host not shown that it is well."""
    errors = breaker.errors | {question}
    return not breaker.is_well and breaker.failures + len(errors) >= FAILURES


def errored(
    breaker: Breaker, question: str, now: datetime, error: str, jitter: float = 0.0
) -> Breaker:
    """Return the state after an error that the host answered to one question."""
    if breaker.open_until is not None:
        return failed(breaker, now, error, jitter)
    breaker = replace(breaker, errors=breaker.errors | {question}, last_error=error)
    if breaker.failures + len(breaker.errors) < (MOST_ERRORS if breaker.is_well else FAILURES):
        return breaker
    return _opened(breaker, breaker.failures + len(breaker.errors), now, error, jitter)


def proven_well(breaker: Breaker) -> Breaker:
    """Return the state after the host has shown that it is well."""
    return replace(breaker, is_well=True, failures=0) if breaker.open_until is None else _CLOSED


def failed(breaker: Breaker, now: datetime, error: str, jitter: float = 0.0) -> Breaker:
    """Return the state after no response; `jitter` (0 to 1) lengthens the wait."""
    failures = breaker.failures + 1
    if breaker.open_until and breaker.probing_until is None:
        # Requests that were under way when it opened tell nothing new.
        return replace(breaker, last_error=error)
    if failures + len(breaker.errors) < FAILURES or (breaker.is_well and failures < FAILURES):
        return replace(breaker, failures=failures, last_error=error)
    return _opened(breaker, failures + len(breaker.errors), now, error, jitter)


def _opened(breaker: Breaker, failures: int, now: datetime, error: str, jitter: float) -> Breaker:
    again = breaker.open_until is not None
    failures = max(failures, FAILURES) if again else FAILURES
    wait = min(FIRST_WAIT_S * 2.0 ** min(failures - FAILURES, 16), LONGEST_WAIT_S)
    until = now + timedelta(seconds=wait * (1 + MOST_JITTER * jitter))
    return Breaker(failures, until, last_error=error)


_CLOSED: Final = Breaker()
