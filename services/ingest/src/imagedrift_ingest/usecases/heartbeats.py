"""Heartbeats: collected as they come, the newest of each host, and stored several times a second.

Rules:
- A heartbeat may only be about the host that its subject names (P8).
- While the database does not work heartbeats are kept, of a bounded number of hosts.
- What is refused is told in dead letters, which become rarer the more there are. Those that NATS
  did not take are published with the next ones.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Final, Protocol

from imagedrift_ingest.core import heartbeats as core
from imagedrift_ingest.core.heartbeats import ReceivedHeartbeat
from imagedrift_ingest.core.inventories import HostName
from imagedrift_ingest.errors import DatabaseUnavailable
from imagedrift_runtime import metrics
from imagedrift_runtime.clock import Clock
from imagedrift_runtime.nats.dead_letters import DeadLetterLimiter
from imagedrift_schemas import subjects
from imagedrift_schemas.dead_letters import bounded
from imagedrift_schemas.errors import SchemaError
from imagedrift_schemas.v1 import DeadLetter

MOST_HELD: Final = 500_000
"""Heartbeats of so many hosts wait for the database; the others will come again."""


MOST_LETTERS: Final = 1_000
"""Letters of so many refusals wait for NATS, each of up to 64 KiB; a metric counts them all."""


class HeartbeatStore(Protocol):
    """Where heartbeats are kept."""

    async def store(self, at: datetime, heartbeats: Mapping[HostName, ReceivedHeartbeat]) -> None:
        """Store heartbeats. Raises `DatabaseUnavailable`."""


class DeadLetterStream(Protocol):
    """Where refused messages are published."""

    async def publish(self, letters: Sequence[DeadLetter]) -> Sequence[DeadLetter]:
        """Publish letters, and return those that are not stored."""


class Heartbeats:
    """The heartbeats that are not stored yet."""

    def __init__(
        self, store: HeartbeatStore, dead_letters: DeadLetterStream, clock: Clock, most_held: int
    ) -> None:
        self._store = store
        self._dead_letters = dead_letters
        self._clock = clock
        self._most_held = most_held
        self._held: dict[HostName, ReceivedHeartbeat] = {}
        self._limiter = DeadLetterLimiter()
        self._letters: list[DeadLetter] = []

    async def receive(self, subject: str, payload: bytes) -> None:
        """Take in one message, or refuse it."""
        try:
            name = subjects.host_of(subject)
        except SchemaError:  # it names no host to which a dead letter could belong
            metrics.heartbeats_refused.add(reason="no host")
            return
        try:
            alive = core.decode(payload)
            heartbeat = core.heartbeat_of(alive)
        except SchemaError as error:
            self._refuse(subject, "malformed", str(error), payload)
            return
        if name != (alive.site, alive.host):
            error_text = f"site and host: {alive.site}/{alive.host} is not whose subject it is"
            self._refuse(subject, "another host", error_text, payload)
            return
        self._hold(name, heartbeat)

    async def store(self) -> None:
        """Store the heartbeats that came, and publish a dead letter for each refused one."""
        held, self._held = self._held, {}
        try:
            await self._store.store(self._clock.now(), held)
        except DatabaseUnavailable:
            self._held = held | self._held  # what came in since is newer
            raise
        finally:
            letters, self._letters = self._letters, []
            self._letters = [*await self._dead_letters.publish(letters), *self._letters]

    def _hold(self, name: HostName, heartbeat: ReceivedHeartbeat) -> None:
        before = self._held.get(name)
        if before is None and len(self._held) >= self._most_held:
            metrics.heartbeats_refused.add(reason="too many")
            return
        self._held[name] = heartbeat.after(before)

    def _refuse(self, subject: str, reason: str, error: str, payload: bytes) -> None:
        metrics.heartbeats_refused.add(reason=reason)
        at = self._clock.now()
        due = self._limiter.refused(subject, reason, at)
        if due and len(self._letters) < MOST_LETTERS:
            told = DeadLetter(
                service="ingest",
                subject=subject,
                reason=reason,
                error=error,
                received_at=at,
                payload=payload if due.with_payload else b"",
                times=due.times,
            )
            self._letters.append(bounded(told))
