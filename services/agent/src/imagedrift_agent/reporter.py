"""Messages to NATS: the newest inventory until it is confirmed, and heartbeats in between.

Nothing is queued: an inventory that was not published while NATS was away is forgotten as soon as
it is not the newest any more.
"""

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from typing import Protocol, assert_never

from msgspec.structs import replace

from imagedrift_agent.core import cadence, messages
from imagedrift_agent.state import AgentState
from imagedrift_runtime import metrics
from imagedrift_runtime.clock import Clock
from imagedrift_runtime.logs import get_logger
from imagedrift_runtime.waiting import wait
from imagedrift_schemas.v1 import Alive, Inventory

log = get_logger()

ADVICE = "raise max_payload of the NATS servers, or remove images: 20,000 are stored of one host"


class PublishFailed(Exception):
    """NATS did not take a message."""


class Publisher(Protocol):
    """Where a host's messages go. Both raise `PublishFailed`."""

    async def publish(self, inventory: Inventory) -> Inventory:
        """Store an inventory in place of the host's last one, and return its stored form."""

    async def send_heartbeat(self, alive: Alive) -> None:
        """Send a heartbeat, which no stream stores."""


ConnectPublisher = Callable[[], AbstractAsyncContextManager[Publisher]]


class Reporter:
    """Keeps NATS up to date with the state."""

    def __init__(
        self,
        profile: messages.HostProfile,
        connect: ConnectPublisher,
        state: AgentState,
        clock: Clock,
        return_within_s: float,
    ) -> None:
        self._profile = profile
        self._connect = connect
        self._state = state
        self._clock = clock
        self._return_within_s = return_within_s
        self._schedule = cadence.start(
            state.confirmed,
            state.confirmed.age_s(clock.now()),
            clock.monotonic(),
            clock.random(),
        )
        self._seq = 0
        self._not_stored = ""

    async def run(self) -> None:
        """Connect, however long that takes, and report for ever."""
        await self._state.is_known.wait()
        while True:
            try:
                async with self._connect() as publisher:
                    await self._report(publisher)
            except PublishFailed as error:
                self._refused(cadence.SendHeartbeat(), error)
                await self._clock.sleep(self._quiet_s())

    async def _report(self, publisher: Publisher) -> None:
        """Publish whatever is due over one connection, for ever."""
        state = self._state
        while True:
            state.changed.clear()
            now = self._clock.monotonic()
            step = cadence.next_step(self._schedule, state.fingerprint, self._degraded(), now)
            try:
                match step:
                    case cadence.WaitUntil(until):
                        await wait(state.changed, until - now)
                    case cadence.Publish():
                        await self._publish(publisher)
                    case cadence.SendHeartbeat():
                        await self._send_heartbeat(publisher)
                    case _:
                        assert_never(step)
            except PublishFailed as error:
                assert not isinstance(step, cadence.WaitUntil)  # waiting sends nothing
                self._refused(step, error)

    async def _publish(self, publisher: Publisher) -> None:
        state = self._state
        newest, fingerprint, degraded = state.newest, state.fingerprint, state.degraded
        assert newest is not None  # it has a fingerprint
        whole = replace(newest, boot=self._profile.boot, seq=self._next_seq(), degraded=degraded)
        stored = await publisher.publish(whole)
        self._not_stored = ""
        state.confirm(fingerprint, stored.content, self._clock.now())
        self._schedule = cadence.published(self._schedule, state.confirmed, self._sent(degraded))
        log.info(
            "inventory.published",
            images=len(stored.images),
            content=stored.content,
            seq=stored.seq,
        )
        if left_out := len(whole.images) - len(stored.images):
            log.warning("inventory.cut", left_out=left_out, advice=ADVICE)

    async def _send_heartbeat(self, publisher: Publisher) -> None:
        degraded, content = self._degraded(), self._state.confirmed.content
        alive = messages.alive(
            self._profile, content, self._next_seq(), degraded, self._clock.now()
        )
        await publisher.send_heartbeat(alive)
        metrics.heartbeats.add(outcome="said")
        self._schedule = cadence.heartbeat_sent(self._schedule, self._sent(degraded))

    def _degraded(self) -> str:
        """Tell why the inventory that NATS has may be out of date."""
        return self._state.degraded or self._not_stored

    def _sent(self, degraded: str) -> cadence.SentMessage:
        return cadence.SentMessage(
            at=self._clock.monotonic(),
            degraded=degraded,
            interval_s=self._profile.interval_s,
            chance=self._clock.random(),
        )

    def _refused(self, step: cadence.Publish | cadence.SendHeartbeat, error: PublishFailed) -> None:
        now, chance = self._clock.monotonic(), self._clock.random()
        self._schedule = cadence.refused(self._schedule, step, now, self._return_within_s, chance)
        event = "heartbeat.refused"
        if isinstance(step, cadence.Publish):
            event = "inventory.refused"
            self._not_stored = f"the inventory is not stored: {error}"
        else:
            metrics.heartbeats.add(outcome="failed")
        log.warning(event, error=str(error), again_in_s=round(self._quiet_s(), 1))

    def _quiet_s(self) -> float:
        now = self._clock.monotonic()
        until = self._schedule.quiet_until
        return max(0.0, (now if until is None else until) - now)

    def _next_seq(self) -> int:
        self._seq += 1
        return self._seq
