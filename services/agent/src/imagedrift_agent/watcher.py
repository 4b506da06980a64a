"""Looking: after events, whenever listening to them (re)starts, and once per interval anyway."""

import asyncio
from datetime import datetime, timedelta

import structlog

from imagedrift_agent.core import debounce, messages
from imagedrift_agent.core.records import Event
from imagedrift_agent.core.snapshot import Snapshot, SourceFault
from imagedrift_agent.ports import Environment, Source
from imagedrift_agent.state import AgentState
from imagedrift_agent.waiting import first_of
from imagedrift_runtime import metrics

log = structlog.get_logger()

WORKS_AFTER = timedelta(seconds=30)
WORKS_WITH_EVENT_AFTER = timedelta(seconds=10)
"""How long a stream of events must last to count as one that works: some proxies end it at once."""


class Watcher:
    """Keeps the ledger equal to what the source has."""

    def __init__(
        self, about: messages.HostProfile, source: Source, ledger: AgentState, world: Environment
    ) -> None:
        self._about = about
        self._source = source
        self._ledger = ledger
        self._world = world
        self._pending = debounce.Pending()
        self._look_at: datetime = world.steady()
        self._heard_something = asyncio.Event()

    async def follow(self) -> None:
        """Listen to the source's events, for ever.

        A stream that ends before it has shown to work is waited for longer each time: to open it
        costs a look, as anything may have happened before.
        """
        failures = 0
        while True:
            has_worked = await self._follow_once(is_first=not failures)
            if has_worked or not failures:
                self._heard(None)
            failures = 1 if has_worked else failures + 1
            chance = 0.5 + 0.5 * self._world.chance()
            await asyncio.sleep(self._back_off_s(failures) * chance)

    async def _follow_once(self, *, is_first: bool) -> bool:
        """Listen to one stream until it ends; True when it was one that works."""
        began, has_told = self._world.steady(), False
        try:
            async for event in self._source.changes():
                has_told = has_told or event is not None
                self._heard(event)
        except SourceFault as fault:
            lasted = self._world.steady() - began
            has_worked = lasted >= (WORKS_WITH_EVENT_AFTER if has_told else WORKS_AFTER)
            if is_first or has_worked:
                log.info("events.ended", reason=str(fault))
            return has_worked
        return False

    async def look(self) -> None:
        """Look whenever it is due, for ever."""
        failures = 0
        while True:
            await self._until_due()
            self._pending = debounce.Pending()
            self._look_in(self._about.interval_s)
            try:
                snapshot = await self._take()
            except SourceFault as fault:
                failures += 1
                self._failed(str(fault))
                self._look_in(self._back_off_s(failures))
            else:
                failures = 0
                self._found(snapshot)

    async def _take(self) -> Snapshot:
        began = self._world.steady()
        snapshot = await self._source.take()
        metrics.looking.observe((self._world.steady() - began).total_seconds())
        return snapshot

    def _heard(self, event: Event | None) -> None:
        """Note an event; None, like a reload of the engine, may have hidden any number of them."""
        now = self._world.steady()
        if event is None or event.type == "daemon":
            self._look_at = now
        else:
            self._pending = debounce.after(self._pending, event, now)
        self._heard_something.set()

    async def _until_due(self) -> None:
        while True:
            self._heard_something.clear()
            due = min(self._look_at, self._pending.due or self._look_at)
            wait = (due - self._world.steady()).total_seconds()
            if wait <= 0:
                return
            await first_of(self._heard_something, wait)

    def _failed(self, reason: str) -> None:
        if reason != self._ledger.degraded:
            log.warning("look.failed", reason=reason)
        metrics.looks.add(outcome="failed")
        self._world.engine_is(reason)
        self._ledger.may_be_old(reason)

    def _found(self, snapshot: Snapshot) -> None:
        inventory = messages.inventory(self._about, snapshot, self._world.now())
        if self._ledger.degraded:
            log.info("look.recovered", after=self._ledger.degraded)
        self._world.engine_is("")
        is_news = self._ledger.found(inventory)
        metrics.looks.add(outcome="changed" if is_news else "unchanged")
        metrics.host_images.set(len(inventory.images))
        if is_news:
            log.info(
                "inventory.changed", images=len(inventory.images), **snapshot.image_list.skipped
            )

    def _look_in(self, seconds: float) -> None:
        self._look_at = self._world.steady() + timedelta(seconds=seconds)

    def _back_off_s(self, failures: int) -> float:
        return float(min(self._about.interval_s, 2 ** min(failures - 1, 10)))
