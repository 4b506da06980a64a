"""An agent run inside the test, with an publisher that listens."""

import asyncio
import random
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from datetime import datetime
from typing import Protocol

from imagedrift_agent.adapters import jetstream
from imagedrift_agent.core.messages import HostProfile
from imagedrift_agent.ports import (
    Environment,
    Publisher,
    PublishFailed,
    SavedState,
    Source,
    StateStore,
)
from imagedrift_agent.service import report
from imagedrift_runtime import clock
from imagedrift_schemas.v1 import Alive, Inventory


class RecordingPublisher:
    """Takes what the host says, or refuses it."""

    def __init__(self) -> None:
        self.inventories: list[Inventory] = []
        self.heartbeats: list[Alive] = []
        self.refuses = False
        self.refused = 0

    @asynccontextmanager
    async def connected(self) -> AsyncIterator["RecordingPublisher"]:
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
        self.heartbeats.append(alive)

    def _refuse(self) -> None:
        if self.refuses:
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
    """Keeps what an agent keeps, in memory."""

    def __init__(self) -> None:
        self.kept = SavedState()

    def load(self) -> SavedState:
        """Read what was kept."""
        return self.kept

    def keep(self, kept: SavedState) -> None:
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
    publisher: Connectable,
    memory: StateStore | None = None,
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
    world = Environment(
        now=now,
        steady=clock.now,
        chance=random.random,
        engine_is=health or EngineHealth(),
    )
    task = asyncio.create_task(
        report(
            HostProfile(site="test", host=host, interval_s=interval_s, boot="b"),
            source,
            publisher.connected,
            memory or RecordingStore(),
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
