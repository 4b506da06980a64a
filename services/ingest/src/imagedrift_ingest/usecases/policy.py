"""Following `registries.toml`: references get the policy that the file says now.

Rules:
- At the start, and each time the file has changed, every reference gets the policy of now.
- Verdicts that older rules of `core.verdict` made are made again at the start, once.
"""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Protocol


class ConfiguredRegistries(Protocol):
    """The present configuration of registries."""

    @property
    def version(self) -> str:
        """Return a hash of the file's content."""

    def is_named(self, registry: str) -> bool:
        """Tell whether the file names a registry."""

    def renew(self, *, anyway: bool = False) -> bool:
        """Read the file if it has changed; `anyway`: also if it looks unchanged."""


class VerdictStore(Protocol):
    """Where references and verdicts are kept."""

    async def apply_policy(self, is_named: Callable[[str], bool]) -> int:
        """Give each reference the policy of now; how many have another one than before."""

    async def judge_again(self) -> int:
        """Make again the verdicts that older rules made and return how many changed."""


class FollowRegistries:
    """Applies `registries.toml` to the stored references."""

    def __init__(
        self,
        registries: ConfiguredRegistries,
        store: VerdictStore,
        look_at_lanes: Callable[[], Awaitable[None]],
        reload: asyncio.Event,
        plan_now: asyncio.Event,
    ) -> None:
        self._registries = registries
        self._store = store
        self._look_at_lanes = look_at_lanes
        self._reload = reload
        self._plan_now = plan_now
        self._applied = registries.version

    async def apply(self) -> None:
        """Apply the file as it is, and the rules of verdicts."""
        version = self._registries.version
        await self._store.apply_policy(self._registries.is_named)
        await self._store.judge_again()
        self._applied = version

    async def run(self) -> None:
        """Look at the file, and apply it if it has changed."""
        self._registries.renew(anyway=self._reload.is_set())
        self._reload.clear()
        version = self._registries.version
        if version != self._applied:
            await self._store.apply_policy(self._registries.is_named)
            await self._look_at_lanes()
            self._applied = version
            self._plan_now.set()
