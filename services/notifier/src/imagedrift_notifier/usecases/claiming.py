"""Claiming due images, for every route that tells of them."""

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from datetime import datetime
from typing import Protocol

from imagedrift_notifier.core.claim import Claim, claims_of
from imagedrift_notifier.core.due_group import DueTopic
from imagedrift_notifier.core.outbound import RemovedRoute, RouteState
from imagedrift_notifier.core.route import HostFilter, MessageRoute, Routes, TopicKind
from imagedrift_runtime.logs import get_logger

log = get_logger()

LiveRoutes = Callable[[], Routes]
"""The routes as the file has them now."""


class DueReader(Protocol):
    """Reads due images. Raises `DatabaseUnreachable`."""

    async def portions(self, references: Sequence[str]) -> list[list[str]]:
        """Part references into portions that are read at once."""

    async def due_topics(
        self, hosts: HostFilter, kinds: Sequence[TopicKind], references: Sequence[str]
    ) -> list[DueTopic]:
        """Read which topics of a portion are due on some hosts."""


class ClaimTable(Protocol):
    """Claims under their unique key. Raises `DatabaseUnreachable`."""

    async def drop_removed(self) -> list[RemovedRoute]:
        """Drop the waiting messages of removed routes; return each route that had some."""

    async def enter(self, routes: Sequence[str]) -> dict[str, RouteState]:
        """Enter the routes of the file, note which are missing, and return the state of each."""

    async def claim(self, route: str, since: datetime, claims: Sequence[Claim]) -> int:
        """Claim topics of a route that began then, and return how many are new."""


class Claiming:
    """Claims due images, so that each is sent later, and once."""

    def __init__(self, due: DueReader, table: ClaimTable, routes: LiveRoutes) -> None:
        self._due = due
        self._table = table
        self._routes = routes

    async def states(self) -> dict[str, RouteState]:
        """Enter the routes of the file, end removed ones, and return the state of each."""
        for gone in await self._table.drop_removed():
            log.warning(
                "route.removed", route=gone.route, messages=gone.messages, topics=gone.topics
            )
        return await self._table.enter(list(self._routes().routes))

    async def portions(self, references: Sequence[str]) -> list[list[str]]:
        """Part references into portions that are claimed at once."""
        return await self._due.portions(references)

    async def claim(
        self, wanted: Mapping[str, Collection[str]], states: Mapping[str, RouteState]
    ) -> int:
        """Claim the due images of a portion; return how many topics are new.

        `wanted` names the routes of each reference. Routes of the same hosts share a read.
        """
        new = 0
        for alike in _alike(each for name, each in self._routes().routes.items() if name in states):
            asked = {route.name: _references_of(route, wanted) for route in alike}
            references = [each for each in wanted if any(each in of for of in asked.values())]
            if not references:
                continue
            due = await self._due.due_topics(alike[0].hosts, alike[0].kinds, references)
            for route in alike:
                own = [each for each in due if each.topic.reference in asked[route.name]]
                new += await self.claim_topics(route, own, states[route.name])
        return new

    async def claim_topics(
        self, route: MessageRoute, due: Sequence[DueTopic], state: RouteState
    ) -> int:
        """Claim topics of a route, and return how many are new."""
        known_until = state.known_until(backlog=route.backlog)
        claims = claims_of(route, due, known_until, state.now)
        return await self._table.claim(route.name, state.since, claims)


def _alike(routes: Iterable[MessageRoute]) -> list[list[MessageRoute]]:
    """Put together routes that tell of the same hosts, and the same of them."""
    found: dict[tuple[object, ...], list[MessageRoute]] = {}
    for route in routes:
        found.setdefault((*route.hosts.key, route.kinds), []).append(route)
    return [*found.values()]


def _references_of(route: MessageRoute, wanted: Mapping[str, Collection[str]]) -> set[str]:
    """Return the references that a route tells of, of those that are wanted for it."""
    return {each for each, names in wanted.items() if route.name in names and route.tells_of(each)}
