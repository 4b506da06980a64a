"""Every registry's gate, made when it is first needed and kept while the process lives."""

import asyncio
from collections.abc import Callable
from datetime import datetime
from typing import Final

import structlog

from imagedrift_resolver.core.site import Site
from imagedrift_resolver.gate import Gate, Lanes, States
from imagedrift_runtime.bus import BusError
from imagedrift_runtime.registries import Registries
from imagedrift_schemas.v1 import RegistryState

log = structlog.get_logger()

SHARE_S: Final = 3.0


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
        self._gates: dict[tuple[str, str, bool], Gate] = {}

    def of(self, site: Site) -> Gate:
        """Return the gate of a registry and credential."""
        key = (site.registry, site.credential.name, site.is_hub)
        gate = self._gates.get(key)
        if gate is None:
            entry = self._registries.of(site.registry)
            own = RegistryState(registry=key[0], credential=key[1], observed_at=self._now())
            gate = self._gates[key] = Gate(
                own,
                max_connections=entry.max_connections,
                requests_per_second=entry.requests_per_second,
                is_hub=site.is_hub,
                states=self._states,
                lanes=self._lanes,
                now=self._now,
            )
        return gate

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
        await asyncio.gather(*(gate.flush() for gate in self._gates.values()))
