"""An agent run inside the test, with a publisher that listens."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from datetime import datetime, timedelta
from typing import Protocol

from imagedrift_agent.adapters import jetstream
from imagedrift_agent.core.inventory import ImageList
from imagedrift_agent.core.messages import HostProfile
from imagedrift_agent.core.records import Event
from imagedrift_agent.core.snapshot import Snapshot, SourceFault
from imagedrift_agent.reporter import Publisher, PublishFailed
from imagedrift_agent.service import report
from imagedrift_agent.state import SavedState, StateStore
from imagedrift_agent.watcher import ImageSource
from imagedrift_runtime.clock import Clock, SystemClock
from imagedrift_schemas.v1 import Alive, Inventory, LocalImage
from support.virtual_time import VirtualClock


class ScriptedSource:
    """A source with some images, which fails when told to; it counts snapshots and streams."""

    def __init__(self, images: int = 1) -> None:
        self.images = images
        self.fault = ""
        self.events_fault = ""
        self.snapshots = 0
        self.streams = 0
        self.events: asyncio.Queue[Event | None] = asyncio.Queue()

    async def take(self) -> Snapshot:
        """Take a snapshot."""
        self.snapshots += 1
        if self.fault:
            raise SourceFault(self.fault)
        images = tuple(
            LocalImage(reference=f"docker.io/library/app:{n}", image_id=f"sha256:{n:064x}")
            for n in range(self.images)
        )
        return Snapshot(image_list=ImageList(images, {}), engine="docker")

    async def changes(self) -> AsyncIterator[Event | None]:
        """Follow the events, until they fail."""
        self.streams += 1
        if self.events_fault:
            raise SourceFault(self.events_fault)
        yield None
        while True:
            yield await self.events.get()
            if self.events_fault:
                raise SourceFault(self.events_fault)


class RecordingPublisher:
    """Takes what the host says, or refuses it."""

    def __init__(self) -> None:
        self.inventories: list[Inventory] = []
        self.heartbeats: list[Alive] = []
        self.refuses = False
        self.refuses_inventories = False
        self.refused = 0
        self.is_away = False
        self.connections = 0

    @asynccontextmanager
    async def connected(self) -> AsyncIterator["RecordingPublisher"]:
        """Be the connection of an agent."""
        self.connections += 1
        if self.is_away:
            raise PublishFailed("no NATS")
        yield self

    async def publish(self, inventory: Inventory) -> Inventory:
        """Take an inventory."""
        self._refuse(also=self.refuses_inventories)
        self.inventories.append(inventory)
        return inventory

    async def send_heartbeat(self, alive: Alive) -> None:
        """Take a heartbeat."""
        self._refuse()
        self.heartbeats.append(alive)

    def _refuse(self, *, also: bool = False) -> None:
        if self.refuses or also:
            self.refused += 1
            raise PublishFailed("NATS is away")


class RealPublisher:
    """A NATS server, as an agent of host `h1` of site `test` connects to it."""

    def __init__(self, url: str, host: str = "h1") -> None:
        self._url = url
        self._host = host

    def connected(self) -> AbstractAsyncContextManager[Publisher]:
        """Be the connection of an agent."""
        return jetstream.connected((self._url,), "test", self._host, credentials="", ca="")


class Connectable(Protocol):
    """Where an agent can be connected to."""

    def connected(self) -> AbstractAsyncContextManager[Publisher]:
        """Be the connection of an agent."""


class RecordingStore:
    """Keeps an agent's state in memory."""

    def __init__(self) -> None:
        self.saved = SavedState()

    def load(self) -> SavedState:
        """Read the saved state."""
        return self.saved

    def save(self, saved: SavedState) -> None:
        """Replace the saved state."""
        self.saved = saved


class AgentClock(VirtualClock):
    """Virtual time; `offset` is how far the clock was set, `chance` is drawn each time."""

    def __init__(self, chance: float = 0.5) -> None:
        self.offset = timedelta(0)
        self.chance = chance

    def now(self) -> datetime:
        """Tell the time as the clock shows it."""
        return super().now() + self.offset

    def random(self) -> float:
        """Return the chance."""
        return self.chance


class EngineHealth:
    """The agent's last report on its engine."""

    def __init__(self) -> None:
        self.reason: str | None = None

    def __call__(self, reason: str) -> None:
        """Note why the engine fails, or with no reason that it works."""
        self.reason = reason


@asynccontextmanager
async def running_agent(
    source: ImageSource,
    publisher: Connectable,
    store: StateStore | None = None,
    *,
    interval_s: int = 300,
    return_within_s: float = 0.2,
    health: EngineHealth | None = None,
    host: str = "h1",
    where: str = "",
    clock: Clock | None = None,
) -> AsyncIterator[None]:
    """Run an agent for the length of an `async with`."""
    stopping = asyncio.Event()
    task = asyncio.create_task(
        report(
            HostProfile(site="test", host=host, interval_s=interval_s, boot="b"),
            source,
            publisher.connected,
            store or RecordingStore(),
            clock or SystemClock(),
            stopping,
            report_health=health or EngineHealth(),
            where=where,
            return_within_s=return_within_s,
        )
    )
    try:
        yield
    finally:
        stopping.set()
        await task
