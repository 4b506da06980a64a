"""Every registry's gate, made when it is first needed, and each lane's bulkhead.

- The gates of registries that are named in `registries.toml`, or have a lane, are kept for ever.
- Of all others as many as `KNOWN` says; of those that never answered, as `MADE_UP` says. What a
  gate has learnt of a block is shared at once, so whoever needs it again has that from there.
- Where one registry has the lane to itself nobody needs to be protected from it.
"""

import asyncio
from collections.abc import Callable
from datetime import datetime
from typing import Final

import structlog

from imagedrift_resolver.bulkhead import Bulkhead
from imagedrift_resolver.core.bounded_map import Bound, BoundedMap
from imagedrift_resolver.core.site import Site
from imagedrift_resolver.gate import Gate, Lanes, Pace, States
from imagedrift_runtime.nats.errors import BusError
from imagedrift_runtime.nats.topology import LANE_SLOTS
from imagedrift_runtime.registries.operator_file import Registries
from imagedrift_schemas.v1 import RegistryState

log = structlog.get_logger()

SHARE_S: Final = 3.0
KNOWN: Final = Bound(4096, 64 * 1024 * 1024)
MADE_UP: Final = Bound(512, 4 * 1024 * 1024)

Key = tuple[str, str, bool]
"""The registry's name, the credential's, and whether it is Docker Hub itself."""


class Gates:
    """Every gate, made when it is first needed."""

    def __init__(
        self,
        registries: Registries,
        *,
        states: States,
        lanes: Lanes,
        now: Callable[[], datetime],
    ) -> None:
        self._registries = registries
        self._states = states
        self._lanes = lanes
        self._now = now
        self._own: dict[Key, Gate] = {}
        """Of registries that the operator or everybody knows by name."""
        self._others: BoundedMap[Key, Gate] = BoundedMap(KNOWN, MADE_UP, lambda g: g.is_needed)
        self._bulkheads: dict[str, Bulkhead] = {}
        self._paces: dict[str, Pace] = {}

    def of(self, site: Site) -> Gate:
        """Return the gate of a registry and credential."""
        key = (site.registry, site.credential.name, site.is_hub)
        gate = self._own.get(key) or self._others.get(key) or self._made(key)
        if gate.is_alone or self._registries.is_named(site.registry):
            self._own[key] = gate
        else:
            size = gate.size + 2 * sum(map(len, key[:2]))
            self._others.put(key, gate, size, is_proven=gate.has_answered)
        return gate

    def __len__(self) -> int:
        return len(self._own) + len(self._others)

    def _made(self, key: Key) -> Gate:
        entry = self._registries.of(key[0])
        return Gate(
            RegistryState(registry=key[0], credential=key[1], observed_at=self._now()),
            max_connections=entry.max_connections,
            requests_per_second=entry.requests_per_second,
            is_hub=key[2],
            bulkhead=self._bulkhead(key[0]),
            pace=self._pace(key[0]),
            states=self._states,
            lanes=self._lanes,
            now=self._now,
        )

    def _pace(self, registry: str) -> Pace | None:
        """Return the pace that a registry's credentials share, if the operator has set one."""
        if not self._registries.of(registry).requests_per_second:
            return None
        tables = self._registries.paths.get(registry, {}).values()
        named = [self._registries.of(registry).username, *(t.label or t.username for t in tables)]
        credentials = tuple(sorted({name for name in named if name})) if tables else ()
        return self._paces.setdefault(registry, Pace(credentials))

    def _bulkhead(self, registry: str) -> Bulkhead | None:
        if self._registries.owns_lane(registry):
            return None
        lane = self._registries.lane_of(registry)
        known = self._bulkheads.get(lane)
        if known is None:
            slots = self._registries.lanes().get(lane, LANE_SLOTS)
            known = self._bulkheads[lane] = Bulkhead(slots)
        return known

    async def share(self) -> None:
        """Share what was learnt, for ever: an operator asks of a registry that rests, too."""
        while True:
            await asyncio.sleep(SHARE_S)
            try:
                await self.flush()
            except BusError as error:
                log.warning("states.unshared", error=str(error))

    async def flush(self) -> None:
        """Share what was learnt and not shared yet, of all together: there may be many."""
        gates = [*self._own.values(), *self._others.values()]
        await asyncio.gather(*(gate.flush() for gate in gates))
