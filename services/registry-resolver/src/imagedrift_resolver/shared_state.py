"""The state of one registry and credential, which all replicas share by compare-and-set.

- The shared state is read when it is older than `SYNC_S`.
- It is written at once when other replicas must know of a change, else with the next reading.
- A registry that never answered is not shared: there may be a hundred thousand made-up names.
"""

import asyncio
from collections.abc import Callable
from typing import Final, Protocol

from imagedrift_resolver.core import budget
from imagedrift_runtime.clock import Clock
from imagedrift_schemas.v1 import RegistryState

SYNC_S: Final = 1.0


class States(Protocol):
    """The states of registries, where every replica finds them."""

    async def read(self, registry: str, credential: str) -> RegistryState | None:
        """Return the shared state."""

    async def change(
        self, own: RegistryState, change: Callable[[RegistryState], RegistryState]
    ) -> RegistryState | None:
        """Apply `change` to the shared state (`own` where there is none); the result, if shared."""


class SharedState:
    """A replica's copy of a shared state."""

    def __init__(self, own: RegistryState, states: States, clock: Clock) -> None:
        self.value = own
        self.has_answered = False
        """The registry answered some replica at least once."""
        self.lock = asyncio.Lock()
        """Held while the state is read or changed."""
        self._states = states
        self._clock = clock
        self._synced_at, self._has_synced = float("-inf"), False
        self._is_dirty = False

    def note(self, value: RegistryState) -> None:
        """Change the copy; the change is shared later."""
        self.value = value
        self._is_dirty = True

    async def sync(self) -> None:
        """Read the shared state, unless the copy is young enough."""
        if self._is_young():
            return
        if self.lock.locked() and self._has_synced:  # the copy of a moment ago will do
            return
        if self._is_dirty and self.has_answered:
            await self.share()
            return
        async with self.lock:
            if self._is_young():
                return
            shared = await self._states.read(self.value.registry, self.value.credential)
            self._synced_at, self._has_synced = self._clock.monotonic(), True
            self.has_answered = self.has_answered or shared is not None
            self.value = self.joined(shared or self.value)

    async def share(self) -> None:
        """Write the copy now, and take over the states that other replicas wrote."""
        async with self.lock:
            self._synced_at, self._is_dirty = self._clock.monotonic(), False
            shared = await self._states.change(self.value, self.joined)
            self._is_dirty = self._is_dirty or shared is None
            self.value = self.joined(shared or self.value)

    async def flush(self) -> None:
        """Share changes that are not shared yet."""
        if self._is_dirty and self.has_answered:
            await self.share()

    async def change(self, change: Callable[[RegistryState], RegistryState]) -> None:
        """Change the shared state, or the copy alone while nothing can be shared. Needs `lock`."""
        self.value = await self._states.change(self.value, change) or change(self.value)

    async def read_other(self, credential: str) -> RegistryState | None:
        """Read the shared state of another credential for the same registry."""
        other = await self._states.read(self.value.registry, credential)
        return budget.believable(other, self._clock.now()) if other else None

    def joined(self, shared: RegistryState) -> RegistryState:
        """Join the shared state with the copy."""
        now = self._clock.now()
        own = budget.believable(self.value, now)
        return budget.merged(budget.believable(shared, now), own)

    def _is_young(self) -> bool:
        return self._clock.monotonic() - self._synced_at < SYNC_S
