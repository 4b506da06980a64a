"""Every registry's limiter, made when it is first needed, and each lane's bulkhead.

- Limiters of registries that are named in `registries.toml`, or have a lane, are kept for ever.
- Of all others as many as `KNOWN` says; of those that never answered, as `MADE_UP` says. A block is
  shared at once, so a limiter that is made anew knows it again.
- A registry that has a lane to itself needs no bulkhead there.
- A mirror has budgets of its own: what the registry's own servers have blocked does not hold there.
"""

import asyncio
from typing import Final

from msgspec.structs import replace

from imagedrift_resolver.bulkhead import Bulkhead
from imagedrift_resolver.core.bounded_map import Bound, BoundedMap
from imagedrift_resolver.core.credential import ANONYMOUS
from imagedrift_resolver.core.site import HUB_API, Site, registry_at
from imagedrift_resolver.core.url import Url
from imagedrift_resolver.pacer import Pace, Pacer
from imagedrift_resolver.rate_limiter import Lanes, RegistryLimiter
from imagedrift_resolver.shared_state import SharedState, States
from imagedrift_runtime.clock import Clock
from imagedrift_runtime.logs import get_logger
from imagedrift_runtime.nats.errors import BusError
from imagedrift_runtime.nats.topology import LANE_SLOTS
from imagedrift_runtime.registries.operator_file import Registries
from imagedrift_schemas.registry_name import DOCKER_HUB
from imagedrift_schemas.v1 import RegistryState

log = get_logger()

SHARE_S: Final = 3.0
KNOWN: Final = Bound(4096, 64 * 1024 * 1024)
MADE_UP: Final = Bound(512, 4 * 1024 * 1024)

LimiterKey = tuple[str, str, bool]
"""The registry's name, the budget's, and whether it is Docker Hub itself."""


class RegistryLimiters:
    """Every limiter, made when it is first needed."""

    def __init__(
        self,
        registries: Registries,
        *,
        states: States,
        lanes: Lanes,
        clock: Clock,
    ) -> None:
        self._registries = registries
        self._states = states
        self._lanes = lanes
        self._clock = clock
        self._own: dict[LimiterKey, RegistryLimiter] = {}
        """Of registries that the operator or everybody knows by name."""
        self._others: BoundedMap[LimiterKey, RegistryLimiter] = BoundedMap(
            KNOWN, MADE_UP, lambda limiter: limiter.is_needed
        )
        self._bulkheads: dict[str, Bulkhead] = {}
        self._paces: dict[str, Pace] = {}

    def of(self, site: Site) -> RegistryLimiter:
        """Return the limiter of a registry and credential."""
        key = (site.registry, _budget_name(site, site.credential.name), site.is_hub)
        limiter = self._own.get(key) or self._others.get(key) or self._limiter(site, key)
        if limiter.is_alone or self._registries.is_named(site.registry):
            self._own[key] = limiter
        else:
            size = limiter.size + 2 * sum(map(len, key[:2]))
            self._others.put(key, limiter, size, is_proven=limiter.has_answered)
        return limiter

    def at(self, url: Url) -> RegistryLimiter | None:
        """Return the limiter of the registry that a url belongs to; None where none is known.

        It is that of requests without a credential, as who leads there has none for it.
        """
        registry = registry_at(url)
        if registry == DOCKER_HUB:
            return self.of(Site(registry=registry, api=Url("https", HUB_API, 443)))
        if self._registries.is_named(registry):
            return self.of(Site(registry=registry, api=replace(url, target="/")))
        key = (registry, ANONYMOUS, False)
        return self._own.get(key) or self._others.get(key)

    def __len__(self) -> int:
        return len(self._own) + len(self._others)

    def _limiter(self, site: Site, key: LimiterKey) -> RegistryLimiter:
        registry, budget, is_hub = key
        entry = self._registries.of(registry)
        own = RegistryState(registry=registry, credential=budget, observed_at=self._clock.now())
        shared = SharedState(own, self._states, self._clock)
        pace = self._pace(site) or Pace(())
        return RegistryLimiter(
            shared,
            Pacer(shared, pace, entry.requests_per_second, self._clock),
            max_connections=entry.max_connections,
            is_hub=is_hub,
            bulkhead=self._bulkhead(registry),
            lanes=self._lanes,
            clock=self._clock,
        )

    def _pace(self, site: Site) -> Pace | None:
        """Return the pace that a registry's credentials share, if the operator has set one."""
        registry = site.registry
        if not self._registries.of(registry).requests_per_second:
            return None
        tables = self._registries.paths.get(registry, {}).values()
        named = [self._registries.of(registry).username, *(t.label or t.username for t in tables)]
        budgets = {_budget_name(site, name) for name in named if name} if tables else set[str]()
        return self._paces.setdefault(registry, Pace(tuple(sorted(budgets))))

    def _bulkhead(self, registry: str) -> Bulkhead | None:
        if self._registries.owns_lane(registry):
            return None
        lane = self._registries.lane_of(registry)
        known = self._bulkheads.get(lane)
        if known is None:
            slots = self._registries.lanes().get(lane, LANE_SLOTS)
            known = self._bulkheads[lane] = Bulkhead(slots, self._clock)
        return known

    async def share(self) -> None:
        """Share states, for ever: operators also look at registries that are not asked."""
        while True:
            await self._clock.sleep(SHARE_S)
            try:
                await self.flush()
            except BusError as error:
                log.warning("states.unshared", error=str(error))

    async def flush(self) -> None:
        """Share the states that are not shared yet, all at once: there may be many limiters."""
        limiters = [*self._own.values(), *self._others.values()]
        await asyncio.gather(*(limiter.flush() for limiter in limiters))


def _budget_name(site: Site, credential: str) -> str:
    """Name the budget of a credential: beside its name, the mirror that is asked."""
    return f"{credential} at {site.api.authority}" if site.namespace else credential
