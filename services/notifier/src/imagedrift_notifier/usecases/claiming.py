"""Claiming the due versions of an image, for every route that tells of it."""

from collections.abc import Callable, Mapping, Sequence
from typing import Protocol

from imagedrift_notifier.core.claim import Claim, claims_of
from imagedrift_notifier.core.due_group import DueGroup
from imagedrift_notifier.core.outbound import RouteState
from imagedrift_notifier.core.route import MessageRoute, Routes
from imagedrift_runtime.clock import Clock

LiveRoutes = Callable[[], Routes]
"""The routes as the file has them now."""


class DueReader(Protocol):
    """Reads due images. Raises `DatabaseAway`."""

    async def of_reference(self, route: MessageRoute, reference: str) -> list[DueGroup]:
        """Read all that is due of a reference on the hosts of a route."""


class ClaimTable(Protocol):
    """Claims under their unique key. Raises `DatabaseAway`."""

    async def enter(self, routes: Sequence[str]) -> dict[str, RouteState]:
        """Enter new routes, and return the state of each."""

    async def claim(self, route: str, claims: Sequence[Claim]) -> int:
        """Claim topics, and return how many are new."""


class Claiming:
    """Claims due images, so that each is sent later, and once."""

    def __init__(self, due: DueReader, table: ClaimTable, routes: LiveRoutes, clock: Clock) -> None:
        self._due = due
        self._table = table
        self._routes = routes
        self._clock = clock

    async def states(self) -> dict[str, RouteState]:
        """Enter the routes of the file, and return the state of each."""
        names = list(self._routes().routes)
        return await self._table.enter(names) if names else {}

    async def claim(self, reference: str, states: Mapping[str, RouteState]) -> int:
        """Claim the due images of a reference for these routes; return how many topics are new.

        Routes that tell of the same hosts share a read: that of a large fleet takes a second.
        """
        new = 0
        read: dict[tuple[object, ...], list[DueGroup]] = {}
        for name, route in self._routes().routes.items():
            if name in states and route.tells_of(reference):
                key = (*route.hosts.key, route.kinds)
                if key not in read:
                    read[key] = await self._due.of_reference(route, reference)
                new += await self.claim_groups(route, read[key], states[name])
        return new

    async def claim_groups(
        self, route: MessageRoute, groups: Sequence[DueGroup], state: RouteState
    ) -> int:
        """Claim topics of a route, and return how many are new."""
        claims = claims_of(route, groups, state.known_until, self._clock.now())
        return await self._table.claim(route.name, claims)
