"""When a host speaks, and which of two things it says.

    new content, or confirmed too long ago  ->  Publish, until NATS confirms it
    nothing new                             ->  Heartbeat, once per interval
    health of the source changed            ->  Heartbeat at once
    a refusal                               ->  wait, longer each time, at random up to a bound

A host whose inventory is refused again and again (it is too large, or not permitted) still sends
heartbeats: it lives, and can say what is wrong.

Every wait is drawn at random, so that a fleet which lost its NATS together does not return
together. Time and chance (0 <= chance < 1) are values; what is kept over a restart is `Confirmed`.
"""

from datetime import datetime, timedelta
from typing import Final, TypeAlias

from msgspec import Struct
from msgspec.structs import replace

RESEND_AFTER: Final = timedelta(hours=6)
"""A confirmed inventory is said again by then, should the stream have lost it."""
FIRST_WAIT_S: Final = 1.0


class Confirmed(Struct, frozen=True):
    """What NATS has confirmed last: the fingerprint and content of an inventory, and when."""

    fingerprint: str = ""
    content: str = ""
    at: datetime | None = None


class Schedule(Struct, frozen=True, kw_only=True):
    """What was said, and when to speak next."""

    confirmed: Confirmed = Confirmed()
    degraded: str = ""
    """The reason that was said last."""
    beat_at: datetime
    resend_at: datetime
    failures: int = 0
    quiet_until: datetime | None = None
    is_refused: bool = False
    """The last inventory that was published was refused."""


class Said(Struct, frozen=True, kw_only=True):
    """Something was said: when, and with which excuse."""

    at: datetime
    degraded: str
    interval_s: int
    chance: float


class Publish(Struct, frozen=True):
    """Say the whole inventory."""


class Heartbeat(Struct, frozen=True):
    """Say that the host lives."""


class Wait(Struct, frozen=True):
    """Say nothing before this moment, unless something changes."""

    until: datetime


Step: TypeAlias = Publish | Heartbeat | Wait


def begin(confirmed: Confirmed, now: datetime, chance: float) -> Schedule:
    """Start to speak: at once, whether or not there is something new."""
    since = min(confirmed.at or now, now)
    resend_at = since + RESEND_AFTER * _around_one(chance)
    return Schedule(confirmed=confirmed, beat_at=now, resend_at=resend_at)


def next_step(speech: Schedule, fingerprint: str, degraded: str, now: datetime) -> Step:
    """Decide what to do now; an empty fingerprint means that no inventory is known yet."""
    quiet_until = speech.quiet_until or now
    is_news = fingerprint != speech.confirmed.fingerprint or now >= speech.resend_at
    if fingerprint and is_news and now >= quiet_until:
        return Publish()
    if now >= speech.beat_at or (degraded != speech.degraded and now >= quiet_until):
        return Heartbeat()
    return Wait(min(speech.beat_at, quiet_until if now < quiet_until else speech.resend_at))


def published(speech: Schedule, confirmed: Confirmed, said: Said) -> Schedule:
    """NATS has confirmed an inventory."""
    resend_at = said.at + RESEND_AFTER * _around_one(said.chance)
    taken = replace(speech, confirmed=confirmed, resend_at=resend_at, is_refused=False)
    return beaten(taken, said)


def beaten(speech: Schedule, said: Said) -> Schedule:
    """A sign of life was given: the next comes within the interval, never later."""
    beat_at = said.at + timedelta(seconds=said.interval_s) * _around_one(said.chance)
    speech = replace(speech, degraded=said.degraded, beat_at=beat_at)
    return speech if speech.is_refused else replace(speech, failures=0, quiet_until=None)


def refused(
    speech: Schedule, step: Publish | Heartbeat, now: datetime, within_s: float, chance: float
) -> Schedule:
    """It was not taken: wait at random, up to a bound that doubles with every failure."""
    ceiling = min(within_s, FIRST_WAIT_S * 2 ** min(speech.failures, 16))
    quiet_until = now + timedelta(seconds=ceiling * chance)
    speech = replace(speech, failures=speech.failures + 1, quiet_until=quiet_until)
    if isinstance(step, Heartbeat):
        return replace(speech, beat_at=quiet_until)
    return replace(speech, is_refused=True)


def _around_one(chance: float) -> float:
    """A factor from 0.8 to 1: spread, and never later than promised."""
    return 0.8 + 0.2 * chance
