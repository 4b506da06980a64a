"""When a host publishes, and which of two messages.

    new content, or confirmed too long ago  ->  Publish, until NATS confirms it
    nothing new                             ->  SendHeartbeat, once per interval
    health of the source changed            ->  SendHeartbeat at once
    a refusal                               ->  wait, longer each time, at random up to a bound

A host whose inventory is refused again and again (it is too large, or not permitted) still sends
heartbeats: it lives, and can say what is wrong.

Every wait is drawn at random, so that a fleet which lost its NATS together does not return
together. Chance (0 <= chance < 1) and moments are values. A moment is in seconds of a clock that is
never set; `ConfirmedInventory` is kept over a restart, so its moment is one of the calendar.
"""

from datetime import datetime, timedelta
from typing import Final, TypeAlias

from msgspec import Struct
from msgspec.structs import replace

RESEND_AFTER_S: Final = 6 * 3600.0
"""A confirmed inventory is published again by then, should the stream have lost it."""
FIRST_WAIT_S: Final = 1.0


class ConfirmedInventory(Struct, frozen=True):
    """The fingerprint and content of the inventory that NATS confirmed last, and when."""

    fingerprint: str = ""
    content: str = ""
    at: datetime | None = None

    def age_s(self, now: datetime) -> float:
        """Tell how long ago that was; a moment in the future, or none, counts as now."""
        return max(timedelta(0), now - (self.at or now)).total_seconds()


class Schedule(Struct, frozen=True, kw_only=True):
    """The last message, and when the next is due."""

    confirmed: ConfirmedInventory = ConfirmedInventory()
    degraded: str = ""
    """The reason that was sent last."""
    heartbeat_at: float
    resend_at: float
    failures: int = 0
    quiet_until: float | None = None
    is_refused: bool = False
    """The last inventory that was published was refused."""


class SentMessage(Struct, frozen=True, kw_only=True):
    """A message was taken: when, and with which reason for being out of date."""

    at: float
    degraded: str
    interval_s: int
    chance: float


class Publish(Struct, frozen=True):
    """Publish the whole inventory."""


class SendHeartbeat(Struct, frozen=True):
    """Send a heartbeat."""


class WaitUntil(Struct, frozen=True):
    """Send nothing before this moment, unless something changes."""

    until: float


CadenceStep: TypeAlias = Publish | SendHeartbeat | WaitUntil


def start(confirmed: ConfirmedInventory, age_s: float, now: float, chance: float) -> Schedule:
    """Schedule the first message: at once, whether or not there is something new."""
    resend_at = now - age_s + RESEND_AFTER_S * _spread(chance)
    return Schedule(confirmed=confirmed, heartbeat_at=now, resend_at=resend_at)


def next_step(schedule: Schedule, fingerprint: str, degraded: str, now: float) -> CadenceStep:
    """Decide on the next step; an empty fingerprint means that no inventory is known yet."""
    quiet_until = now if schedule.quiet_until is None else schedule.quiet_until
    is_new = fingerprint != schedule.confirmed.fingerprint or now >= schedule.resend_at
    if fingerprint and is_new and now >= quiet_until:
        return Publish()
    if now >= schedule.heartbeat_at or (degraded != schedule.degraded and now >= quiet_until):
        return SendHeartbeat()
    return WaitUntil(
        min(schedule.heartbeat_at, quiet_until if now < quiet_until else schedule.resend_at)
    )


def published(schedule: Schedule, confirmed: ConfirmedInventory, sent: SentMessage) -> Schedule:
    """Take in that NATS confirmed an inventory."""
    resend_at = sent.at + RESEND_AFTER_S * _spread(sent.chance)
    confirmed_now = replace(schedule, confirmed=confirmed, resend_at=resend_at, is_refused=False)
    return heartbeat_sent(confirmed_now, sent)


def heartbeat_sent(schedule: Schedule, sent: SentMessage) -> Schedule:
    """Take in a heartbeat: the next comes within the interval, never later."""
    heartbeat_at = sent.at + sent.interval_s * _spread(sent.chance)
    schedule = replace(schedule, degraded=sent.degraded, heartbeat_at=heartbeat_at)
    return schedule if schedule.is_refused else replace(schedule, failures=0, quiet_until=None)


def refused(
    schedule: Schedule, step: Publish | SendHeartbeat, now: float, within_s: float, chance: float
) -> Schedule:
    """Take in a refusal: wait at random, up to a bound that doubles with every failure."""
    ceiling_s = min(within_s, FIRST_WAIT_S * 2 ** min(schedule.failures, 16))
    quiet_until = now + ceiling_s * chance
    schedule = replace(schedule, failures=schedule.failures + 1, quiet_until=quiet_until)
    if isinstance(step, SendHeartbeat):
        return replace(schedule, heartbeat_at=quiet_until)
    return replace(schedule, is_refused=True)


def _spread(chance: float) -> float:
    """Draw a factor from 0.8 to 1: never later than promised."""
    return 0.8 + 0.2 * chance
