"""Requests to another registry's hosts, made because a registry leads there.

A redirect and a token endpoint are a registry's choice, and any host can name a registry. One that
leads to Docker Hub would spend Docker Hub's limit for all, and go on after Docker Hub's 429. So
such a request gives way to every question about that other registry, as a list of tags does:

- It is made with a slot that no question waits for, and never from the last half of a limit.
- What the other registry answers is learnt for it: a 429 stops everybody.
- All registries together lead to one other `PER_S` times a second.

Hosts of no registry, as those of storage, have no limit that is known here.
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Final

from imagedrift_resolver.admission import NotAdmitted
from imagedrift_resolver.core.bounded_map import Bound, BoundedMap
from imagedrift_resolver.core.site import Site
from imagedrift_resolver.core.url import Url
from imagedrift_resolver.list_limiter import ListLimiter
from imagedrift_resolver.rate_limiters import RegistryLimiters
from imagedrift_runtime.clock import Clock
from imagedrift_schemas.v1 import Limited

PER_S: Final = 5
LONGEST_WAIT_S: Final = 10.0
REMEMBERED: Final = Bound(1000, 512 * 1024)
ENTRY_BYTES: Final = 200


class OtherHosts:
    """The hosts that registries lead to."""

    def __init__(self, limiters: RegistryLimiters, clock: Clock) -> None:
        self._limiters = limiters
        self._clock = clock
        self._next_at: BoundedMap[str, float] = BoundedMap(REMEMBERED)

    @asynccontextmanager
    async def turn(self, site: Site, url: Url, method: str) -> AsyncIterator[ListLimiter | None]:
        """Make one request for which a registry leads to a url; the limiter that learns from it.

        Raises `NotAdmitted`, also meanwhile. None: the url belongs to no other registry.
        """
        other = self._limiters.at(url)
        if other is None or (other.registry == site.registry and not site.namespace):
            yield None
            return
        await other.check(method)
        await self._wait(other.registry)
        limiter = ListLimiter(other, self._clock)
        async with limiter.turn(method):
            yield limiter

    async def _wait(self, registry: str) -> None:
        """Wait for the next turn of all who lead to a registry."""
        now = self._clock.monotonic()
        at = max(self._next_at.get(registry) or now, now)
        if at - now > LONGEST_WAIT_S:
            until = self._clock.now() + timedelta(seconds=at - now)
            reason = f"it leads to {registry}, as others do, where {PER_S} requests a second may"
            raise NotAdmitted(Limited(reason=reason, until=until))
        self._next_at.put(registry, at + 1 / PER_S, ENTRY_BYTES + len(registry))
        if at > now:
            await self._clock.sleep(at - now)
