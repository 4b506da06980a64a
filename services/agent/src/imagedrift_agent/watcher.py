"""Snapshots: after events, whenever a stream of events (re)starts, and once per interval anyway."""

import asyncio
from collections.abc import AsyncIterator, Callable
from typing import Final, Protocol

from imagedrift_agent.core import debounce, messages
from imagedrift_agent.core.records import Event
from imagedrift_agent.core.snapshot import Snapshot, SourceFault
from imagedrift_agent.state import AgentState
from imagedrift_runtime import metrics
from imagedrift_runtime.clock import Clock
from imagedrift_runtime.logs import get_logger
from imagedrift_runtime.waiting import wait

log = get_logger()

WORKS_AFTER_S: Final = 30.0
WORKS_WITH_EVENT_AFTER_S: Final = 10.0
"""How long a stream of events must last to count as one that works: some proxies end it at once."""
LONGEST_DOUBLING: Final = 10


class ImageSource(Protocol):
    """Where the images of the host are read."""

    async def take(self) -> Snapshot:
        """Take a snapshot. Raises `SourceFault`."""

    def changes(self) -> AsyncIterator[Event | None]:
        """Follow the events: None once they are being followed. Raises `SourceFault`."""


ReportHealth = Callable[[str], None]
"""Takes the reason why the source fails, or an empty text when it works."""


class Watcher:
    """Keeps the state equal to the source."""

    def __init__(
        self,
        profile: messages.HostProfile,
        source: ImageSource,
        state: AgentState,
        clock: Clock,
        report_health: ReportHealth,
    ) -> None:
        self._profile = profile
        self._source = source
        self._state = state
        self._clock = clock
        self._report_health = report_health
        self._pending = debounce.Pending()
        self._snapshot_at = clock.monotonic()
        self._due_has_changed = asyncio.Event()

    async def follow_events(self) -> None:
        """Follow the source's events, for ever.

        A stream that ends before it has shown to work is opened again after a longer wait each
        time: every opening costs a snapshot, as anything may have happened before.
        """
        failures = 0
        while True:
            has_worked = await self._follow_stream(is_first=not failures)
            if has_worked or not failures:
                self._note_event(None)
            failures = 1 if has_worked else failures + 1
            chance = 0.5 + 0.5 * self._clock.random()
            await self._clock.sleep(self._back_off_s(failures) * chance)

    async def take_snapshots(self) -> None:
        """Take a snapshot whenever one is due, for ever."""
        failures = 0
        while True:
            await self._until_due()
            self._pending = debounce.Pending()
            self._schedule_in(self._profile.interval_s)
            try:
                snapshot = await self._timed_snapshot()
            except SourceFault as fault:
                failures += 1
                self._failed(str(fault))
                self._schedule_in(self._back_off_s(failures))
            else:
                failures = 0
                self._taken(snapshot)

    async def _follow_stream(self, *, is_first: bool) -> bool:
        """Follow one stream until it ends; True when it was one that works."""
        began, has_event = self._clock.monotonic(), False
        try:
            async for event in self._source.changes():
                has_event = has_event or event is not None
                self._note_event(event)
        except SourceFault as fault:
            lasted_s = self._clock.monotonic() - began
            has_worked = lasted_s >= (WORKS_WITH_EVENT_AFTER_S if has_event else WORKS_AFTER_S)
            if is_first or has_worked:
                log.info("events.ended", reason=str(fault))
            return has_worked
        return False

    def _note_event(self, event: Event | None) -> None:
        """Note an event; None, like a reload of the engine, may have hidden any number of them."""
        now = self._clock.monotonic()
        if event is None or event.type == "daemon":
            self._snapshot_at = now
        else:
            self._pending = debounce.after(self._pending, event, now)
        self._due_has_changed.set()

    async def _until_due(self) -> None:
        while True:
            self._due_has_changed.clear()
            burst = self._pending.due
            due = self._snapshot_at if burst is None else min(self._snapshot_at, burst)
            seconds = due - self._clock.monotonic()
            if seconds <= 0:
                return
            await wait(self._due_has_changed, seconds)

    async def _timed_snapshot(self) -> Snapshot:
        began = self._clock.monotonic()
        snapshot = await self._source.take()
        metrics.snapshot_seconds.observe(self._clock.monotonic() - began)
        return snapshot

    def _failed(self, reason: str) -> None:
        if reason != self._state.degraded:
            log.warning("snapshot.failed", reason=reason)
        metrics.snapshots.add(outcome="failed")
        self._report_health(reason)
        self._state.mark_outdated(reason)

    def _taken(self, snapshot: Snapshot) -> None:
        inventory = messages.inventory(self._profile, snapshot, self._clock.now())
        if self._state.degraded:
            log.info("snapshot.recovered", after=self._state.degraded)
        self._report_health("")
        is_new = self._state.update(inventory)
        metrics.snapshots.add(outcome="changed" if is_new else "unchanged")
        metrics.host_images.set(len(inventory.images))
        if is_new:
            log.info(
                "inventory.changed", images=len(inventory.images), **snapshot.image_list.skipped
            )

    def _schedule_in(self, seconds: float) -> None:
        self._snapshot_at = self._clock.monotonic() + seconds

    def _back_off_s(self, failures: int) -> float:
        return float(min(self._profile.interval_s, 2 ** min(failures - 1, LONGEST_DOUBLING)))
