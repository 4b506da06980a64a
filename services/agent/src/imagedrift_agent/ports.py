"""What the agent needs of the world: a source, an publisher, a memory, time and chance."""

from collections.abc import AsyncIterator, Callable
from datetime import datetime
from typing import Protocol

from msgspec import Struct

from imagedrift_agent.core.cadence import Confirmed
from imagedrift_agent.core.records import Event
from imagedrift_agent.core.snapshot import Snapshot
from imagedrift_schemas.v1 import Alive, Inventory


class PublishFailed(Exception):
    """NATS did not take what we said."""


class SavedState(Struct, frozen=True):
    """What survives a restart."""

    where: str = ""
    """To whom, and as whom, it was said: another NATS, site or host id begins afresh."""
    confirmed: Confirmed = Confirmed()
    newest: Inventory | None = None


class Source(Protocol):
    """Where the images of the host are read."""

    async def take(self) -> Snapshot:
        """Look at everything. Raises `SourceFault`."""

    def changes(self) -> AsyncIterator[Event | None]:
        """Follow what changes: None once it is being followed. Raises `SourceFault`."""


class Publisher(Protocol):
    """Where the host speaks. Both raise `PublishFailed`."""

    async def publish(self, inventory: Inventory) -> Inventory:
        """Store an inventory in place of the host's last one, and return what of it is stored."""

    async def beat(self, alive: Alive) -> None:
        """Say that the host lives."""


class StateStore(Protocol):
    """What survives a restart."""

    def load(self) -> SavedState:
        """Read what was kept."""

    def keep(self, kept: SavedState) -> None:
        """Replace what was kept."""


class Environment(Struct, frozen=True, kw_only=True):
    """Time, chance, and who is told when the engine fails (with a reason) or works (with none).

    `now` is what the clock shows, for what is said; `steady` only ever goes on, for waiting: a
    clock that is set back by an hour must not silence a host for an hour.
    """

    now: Callable[[], datetime]
    steady: Callable[[], datetime]
    chance: Callable[[], float]
    engine_is: Callable[[str], None]
