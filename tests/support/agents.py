"""An agent run inside the test, with an outlet that listens."""

import asyncio
import random
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from datetime import datetime
from typing import Protocol

from imagedrift_agent.adapters import jetstream
from imagedrift_agent.core.statement import About
from imagedrift_agent.ports import Kept, Memory, NotSaid, Outlet, Source, World
from imagedrift_agent.service import report
from imagedrift_runtime import clock
from imagedrift_schemas.v1 import Alive, Inventory


class RecordingOutlet:
    """Takes what the host says, or refuses it."""

    def __init__(self) -> None:
        self.inventories: list[Inventory] = []
        self.beats: list[Alive] = []
        self.refuses = False
        self.refused = 0

    @asynccontextmanager
    async def connected(self) -> AsyncIterator["RecordingOutlet"]:
        """Be the connection of an agent."""
        yield self

    async def publish(self, inventory: Inventory) -> Inventory:
        """Take an inventory."""
        self._refuse()
        self.inventories.append(inventory)
        return inventory

    async def beat(self, alive: Alive) -> None:
        """Take a sign of life."""
        self._refuse()
        self.beats.append(alive)

    def _refuse(self) -> None:
        if self.refuses:
            self.refused += 1
            raise NotSaid("NATS is away")


class RealOutlet:
    """A NATS server, as an agent of host `h1` of site `test` connects to it."""

    def __init__(self, url: str, host: str = "h1") -> None:
        self._url = url
        self._host = host

    def connected(self) -> AbstractAsyncContextManager[Outlet]:
        """Be the connection of an agent."""
        return jetstream.connected((self._url,), "test", self._host, credentials="", ca="")


class Connectable(Protocol):
    """Where an agent can be connected to."""

    def connected(self) -> AbstractAsyncContextManager[Outlet]:
        """Be the connection of an agent."""


class RecordingMemory:
    """Keeps what an agent keeps, in memory."""

    def __init__(self) -> None:
        self.kept = Kept()

    def load(self) -> Kept:
        """Read what was kept."""
        return self.kept

    def keep(self, kept: Kept) -> None:
        """Replace what was kept."""
        self.kept = kept


class EngineHealth:
    """What an agent last said of its engine."""

    def __init__(self) -> None:
        self.reason: str | None = None

    def __call__(self, reason: str) -> None:
        """Note why the engine fails, or with no reason that it works."""
        self.reason = reason


@asynccontextmanager
async def running_agent(
    source: Source,
    outlet: Connectable,
    memory: Memory | None = None,
    *,
    interval_s: int = 300,
    return_within_s: float = 0.2,
    health: EngineHealth | None = None,
    host: str = "h1",
    where: str = "",
    now: Callable[[], datetime] = clock.now,
) -> AsyncIterator[None]:
    """Run an agent for the length of an `async with`."""
    stopping = asyncio.Event()
    world = World(
        now=now,
        steady=clock.now,
        chance=random.random,
        engine_is=health or EngineHealth(),
    )
    task = asyncio.create_task(
        report(
            About(site="test", host=host, interval_s=interval_s, boot="b"),
            source,
            outlet.connected,
            memory or RecordingMemory(),
            world,
            stopping,
            where=where,
            return_within_s=return_within_s,
        )
    )
    try:
        yield
    finally:
        stopping.set()
        await task
