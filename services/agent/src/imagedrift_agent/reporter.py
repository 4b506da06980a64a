"""Speaking: the newest inventory until NATS has it, and a sign of life in between.

Nothing is queued: what was not said when NATS was away is forgotten as soon as it is not the
newest any more.
"""

import asyncio
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from typing import assert_never

import structlog
from msgspec.structs import replace

from imagedrift_agent.core import cadence, messages
from imagedrift_agent.ports import Environment, Publisher, PublishFailed
from imagedrift_agent.state import AgentState
from imagedrift_agent.waiting import first_of
from imagedrift_runtime import metrics

log = structlog.get_logger()

CUT = "raise max_payload of the NATS servers, or remove images: 20,000 are stored of one host"

Connect = Callable[[], AbstractAsyncContextManager[Publisher]]


class Reporter:
    """Tells NATS what the ledger holds."""

    def __init__(
        self,
        about: messages.HostProfile,
        connect: Connect,
        ledger: AgentState,
        world: Environment,
        return_within_s: float,
    ) -> None:
        self._about = about
        self._connect = connect
        self._ledger = ledger
        self._world = world
        self._return_within_s = return_within_s
        self._speech = cadence.begin(ledger.confirmed, world.steady(), world.chance())
        self._seq = 0
        self._not_stored = ""

    async def speak(self) -> None:
        """Connect, however long that takes, and speak for ever."""
        await self._ledger.looked.wait()
        while True:
            try:
                async with self._connect() as publisher:
                    await self._talk(publisher)
            except PublishFailed as error:
                self._refused(cadence.Heartbeat(), error)
                await asyncio.sleep(self._quiet_s())

    async def _talk(self, publisher: Publisher) -> None:
        while True:
            ledger, now = self._ledger, self._world.steady()
            ledger.changed.clear()
            step = cadence.next_step(self._speech, ledger.fingerprint, self._degraded(), now)
            try:
                match step:
                    case cadence.Wait(until):
                        await first_of(ledger.changed, (until - now).total_seconds())
                    case cadence.Publish():
                        await self._publish(publisher)
                    case cadence.Heartbeat():
                        await self._beat(publisher)
                    case _:
                        assert_never(step)
            except PublishFailed as error:
                assert not isinstance(step, cadence.Wait)  # waiting says nothing
                self._refused(step, error)

    async def _publish(self, publisher: Publisher) -> None:
        ledger = self._ledger
        newest, fingerprint, degraded = ledger.newest, ledger.fingerprint, ledger.degraded
        assert newest is not None  # it has a fingerprint
        whole = replace(newest, boot=self._about.boot, seq=self._next_seq(), degraded=degraded)
        said = await publisher.publish(whole)
        self._not_stored = ""
        ledger.confirm(fingerprint, said.content, self._world.now())
        self._speech = cadence.published(self._speech, ledger.confirmed, self._said(degraded))
        log.info("inventory.published", images=len(said.images), content=said.content, seq=said.seq)
        if left_out := len(whole.images) - len(said.images):
            log.warning("inventory.cut", left_out=left_out, advice=CUT)

    async def _beat(self, publisher: Publisher) -> None:
        degraded, now = self._degraded(), self._world.now()
        content = self._ledger.confirmed.content
        await publisher.beat(messages.alive(self._about, content, self._next_seq(), degraded, now))
        metrics.signs_of_life.add(outcome="said")
        self._speech = cadence.beaten(self._speech, self._said(degraded))

    def _degraded(self) -> str:
        """Say why what NATS has of this host may be out of date."""
        return self._ledger.degraded or self._not_stored

    def _said(self, degraded: str) -> cadence.Said:
        return cadence.Said(
            at=self._world.steady(),
            degraded=degraded,
            interval_s=self._about.interval_s,
            chance=self._world.chance(),
        )

    def _refused(self, step: cadence.Publish | cadence.Heartbeat, error: PublishFailed) -> None:
        now, chance = self._world.steady(), self._world.chance()
        self._speech = cadence.refused(self._speech, step, now, self._return_within_s, chance)
        event = "sign_of_life.refused"
        if isinstance(step, cadence.Publish):
            event = "inventory.refused"
            self._not_stored = f"the inventory is not stored: {error}"
        else:
            metrics.signs_of_life.add(outcome="failed")
        log.warning(event, error=str(error), again_in_s=round(self._quiet_s(), 1))

    def _quiet_s(self) -> float:
        quiet_until = self._speech.quiet_until or self._world.steady()
        return max(0.0, (quiet_until - self._world.steady()).total_seconds())

    def _next_seq(self) -> int:
        self._seq += 1
        return self._seq
