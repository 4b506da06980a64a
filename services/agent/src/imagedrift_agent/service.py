"""The agent: look at what the host has, and say it when it is new.

Looking and speaking know nothing of each other but the `Newest`: the newest inventory and why it
may be out of date. Looking happens after events and once per interval; speaking when `cadence`
says so. A source that fails leaves the newest inventory standing; a NATS that is away leaves it
waiting, and only it: nothing is queued.
"""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager
from datetime import datetime, timedelta
from typing import Protocol, assert_never

import structlog
from msgspec import Struct
from msgspec.structs import replace

from imagedrift_agent.core import cadence, debounce, statement
from imagedrift_agent.core.records import Event
from imagedrift_agent.core.survey import SourceFault, Survey
from imagedrift_schemas.v1 import Alive, Inventory

log = structlog.get_logger()

RETRY_BOUND_S = 30.0


class NotSaid(Exception):
    """NATS did not take what we said."""


class Kept(Struct, frozen=True):
    """What survives a restart."""

    confirmed: cadence.Confirmed = cadence.Confirmed()
    newest: Inventory | None = None


class Source(Protocol):
    """Where the images of the host are read."""

    async def take(self) -> Survey:
        """Look at everything. Raises `SourceFault`."""

    def changes(self) -> AsyncIterator[Event | None]:
        """Follow what changes: None once it is being followed. Raises `SourceFault`."""


class Outlet(Protocol):
    """Where the host speaks. Both raise `NotSaid`."""

    async def publish(self, inventory: Inventory) -> None:
        """Store an inventory in place of the host's last one."""

    async def beat(self, alive: Alive) -> None:
        """Say that the host lives."""


class Memory(Protocol):
    """What survives a restart."""

    def load(self) -> Kept:
        """Read what was kept."""

    def keep(self, kept: Kept) -> None:
        """Replace what was kept."""


class Parts(Struct, frozen=True, kw_only=True):
    """Health, as the service tells it."""

    ready: Callable[[str], None]
    failed: Callable[[str, str], None]


class World(Struct, frozen=True, kw_only=True):
    """Time and chance, and who wants to know how we are."""

    now: Callable[[], datetime]
    chance: Callable[[], float]
    parts: Parts


class Newest:
    """The newest inventory of the host, and why it may be out of date."""

    def __init__(self, inventory: Inventory | None) -> None:
        self.inventory = inventory
        self.fingerprint = statement.fingerprint(inventory) if inventory else ""
        self.degraded = ""
        self.looked = asyncio.Event()
        """Set after the first look: before it there is nothing to say."""
        self.changed = asyncio.Event()

    def stands(self, inventory: Inventory) -> bool:
        """Take in what a look found; True when it is news."""
        news = statement.fingerprint(inventory)
        is_news = news != self.fingerprint
        self.inventory, self.fingerprint = inventory, news
        self._tell("")
        return is_news

    def may_be_old(self, reason: str) -> None:
        """Note that looking failed; the last inventory stands."""
        self._tell(reason)

    def _tell(self, degraded: str) -> None:
        self.degraded = degraded
        self.looked.set()
        self.changed.set()


class Agent:
    """One host's agent."""

    def __init__(
        self,
        about: statement.About,
        source: Source,
        connect: Callable[[], AbstractAsyncContextManager[Outlet]],
        memory: Memory,
        world: World,
        return_within_s: float = 60.0,
    ) -> None:
        self._about = about
        self._source = source
        self._connect = connect
        self._memory = memory
        self._world = world
        self._return_within_s = return_within_s
        kept = memory.load()
        self._newest = Newest(kept.newest)
        self._speech = cadence.begin(kept.confirmed, world.now(), world.chance())
        self._pending = debounce.Pending()
        self._look_at: datetime = world.now()
        self._event = asyncio.Event()
        self._seq = 0

    async def run(self, stopping: asyncio.Event) -> None:
        """Look and speak until told to stop."""
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(part()) for part in (self._follow, self._look, self._speak)]
            await stopping.wait()
            for task in tasks:
                task.cancel()

    # --- looking ---------------------------------------------------------------------------------

    async def _follow(self) -> None:
        """Listen to the source's events; look at everything whenever listening (re)starts."""
        failures = 0
        while True:
            try:
                async for event in self._source.changes():
                    failures = 0
                    self._heard(event)
            except SourceFault as fault:
                log.info("events.ended", reason=str(fault))
            self._heard(None)
            failures += 1
            bound = min(RETRY_BOUND_S, 0.5 * 2 ** min(failures, 10))
            await asyncio.sleep(bound * self._world.chance())

    def _heard(self, event: Event | None) -> None:
        now = self._world.now()
        if event is None or event.type == "daemon":
            self._look_at = now
        else:
            self._pending = debounce.after(self._pending, event, now)
        self._event.set()

    async def _look(self) -> None:
        """Look at the source when something changed, and once per interval all the same."""
        failures = 0
        while True:
            await self._until_look_is_due()
            self._pending = debounce.Pending()
            self._look_at = self._world.now() + timedelta(seconds=self._about.interval_s)
            try:
                survey = await self._source.take()
            except SourceFault as fault:
                failures += 1
                self._failed(str(fault))
                wait = min(self._about.interval_s, 2 ** min(failures, 10))
                self._look_at = self._world.now() + timedelta(seconds=wait)
            else:
                failures = 0
                self._found(survey)

    async def _until_look_is_due(self) -> None:
        while True:
            self._event.clear()
            due = min(self._look_at, self._pending.due or self._look_at)
            wait = (due - self._world.now()).total_seconds()
            if wait <= 0:
                return
            await _first_of(self._event, wait)

    def _failed(self, reason: str) -> None:
        if reason != self._newest.degraded:
            log.warning("look.failed", reason=reason)
        self._world.parts.failed("engine", reason)
        self._newest.may_be_old(reason)

    def _found(self, survey: Survey) -> None:
        inventory = statement.inventory(self._about, survey, self._world.now())
        self._world.parts.ready("engine")
        if self._newest.stands(inventory):
            log.info("inventory.changed", images=len(inventory.images), **survey.census.skipped)
            self._keep()

    # --- speaking --------------------------------------------------------------------------------

    async def _speak(self) -> None:
        """Connect, however long it takes, and speak."""
        await self._newest.looked.wait()
        while True:
            try:
                async with self._connect() as outlet:
                    await self._talk(outlet)
            except NotSaid as error:
                self._refused(error)
                await asyncio.sleep(self._quiet_s())

    async def _talk(self, outlet: Outlet) -> None:
        while True:
            self._newest.changed.clear()
            now = self._world.now()
            newest = self._newest
            step = cadence.next_step(self._speech, newest.fingerprint, newest.degraded, now)
            try:
                match step:
                    case cadence.Wait(until):
                        await _first_of(newest.changed, (until - now).total_seconds())
                    case cadence.Publish():
                        await self._publish(outlet)
                    case cadence.Beat():
                        await self._beat(outlet)
                    case _:
                        assert_never(step)
            except NotSaid as error:
                self._refused(error)

    async def _publish(self, outlet: Outlet) -> None:
        newest, degraded = self._newest.inventory, self._newest.degraded
        assert newest is not None  # it has a fingerprint
        fingerprint = self._newest.fingerprint
        said = replace(newest, boot=self._about.boot, seq=self._next_seq(), degraded=degraded)
        await outlet.publish(said)
        self._speech = cadence.published(
            self._speech,
            fingerprint,
            degraded,
            self._world.now(),
            self._about.interval_s,
            self._world.chance(),
        )
        self._keep()
        log.info("inventory.published", images=len(said.images), content=said.content, seq=said.seq)

    async def _beat(self, outlet: Outlet) -> None:
        newest = self._newest
        content = newest.inventory.content if newest.inventory else ""
        degraded, now = newest.degraded, self._world.now()
        await outlet.beat(statement.alive(self._about, content, self._next_seq(), degraded, now))
        self._speech = cadence.beaten(
            self._speech, degraded, now, self._about.interval_s, self._world.chance()
        )

    def _refused(self, error: NotSaid) -> None:
        now, chance = self._world.now(), self._world.chance()
        self._speech = cadence.refused(self._speech, now, self._return_within_s, chance)
        log.warning("inventory.refused", error=str(error), again_in_s=round(self._quiet_s(), 1))

    def _quiet_s(self) -> float:
        quiet_until = self._speech.quiet_until or self._world.now()
        return max(0.0, (quiet_until - self._world.now()).total_seconds())

    def _keep(self) -> None:
        self._memory.keep(Kept(self._speech.confirmed, self._newest.inventory))

    def _next_seq(self) -> int:
        self._seq += 1
        return self._seq


async def _first_of(event: asyncio.Event, seconds: float) -> None:
    """Wait for an event, but not longer than this."""
    try:
        async with asyncio.timeout(max(0.0, seconds)):
            await event.wait()
    except TimeoutError:
        return
