"""Sweeping: what becomes due without a changed verdict is claimed, too.

A waiting time passes, an excuse ends, a newer version is found, a registry fails: no message of
`DRIFT_CHANGED` tells that. So candidates are read in the order of their names, some at a time, and
from the start again. A route that is new is begun by a pass over all: what was due before it was
made is claimed without being sent.
"""

from collections.abc import Mapping, Sequence
from typing import Final, Protocol

from imagedrift_notifier.core.due_group import DueGroup, Topic
from imagedrift_notifier.core.outbound import RouteState
from imagedrift_notifier.usecases.claiming import Claiming, LiveRoutes

MOST_AT_ONCE: Final = 50
"""References that are looked at in one run, once all routes are begun."""


class CandidateReader(Protocol):
    """Names images that may be due. Raises `DatabaseAway`."""

    async def candidates(self, routes: Sequence[str], behind: str, most: int) -> Sequence[str]:
        """Name references that may be due, those behind a name."""

    async def errors(self) -> list[DueGroup]:
        """Read which registries fail."""


class RouteStates(Protocol):
    """Routes, and whether each is begun. Raises `DatabaseAway`."""

    async def begin(self, routes: Sequence[str]) -> None:
        """Note that all that was due before these routes were made is claimed."""

    async def release_errors(self, routes: Sequence[str], failing: Sequence[Topic]) -> None:
        """Forget the claims of registries that do not fail any more."""


class Sweep:
    """Looks at all candidates, in portions."""

    def __init__(
        self, reader: CandidateReader, table: RouteStates, claiming: Claiming, routes: LiveRoutes
    ) -> None:
        self._reader = reader
        self._table = table
        self._claiming = claiming
        self._routes = routes
        self._behind = ""
        self._since_start: set[str] = set()
        """Routes that were there for the whole of this pass."""

    async def run(self) -> None:
        """Look at the next portion; at all of them while a route is to be begun."""
        states = await self._claiming.states()
        if not states:
            return
        await self._claim_errors(states)
        while not await self._look(states) and not all(s.is_begun for s in states.values()):
            pass

    async def _look(self, states: Mapping[str, RouteState]) -> bool:
        """Look at a portion, and tell whether it was the last one of the pass."""
        if not self._behind:
            self._since_start = {*states}
        found = await self._reader.candidates([*states], self._behind, MOST_AT_ONCE)
        for reference in found:
            await self._claiming.claim(reference, states)
        self._since_start &= {*states}
        is_last = len(found) < MOST_AT_ONCE
        self._behind = "" if is_last else found[-1]
        if is_last and (new := [n for n in self._since_start if not states[n].is_begun]):
            await self._table.begin(new)
        return is_last

    async def _claim_errors(self, states: Mapping[str, RouteState]) -> None:
        """Claim the failures of registries for the routes that tell them."""
        telling = [
            route
            for name, route in self._routes().routes.items()
            if name in states and "error" in route.kinds
        ]
        if not telling:
            return
        failing = await self._reader.errors()
        for route in telling:
            groups = [each for each in failing if route.tells_of(each.topic.reference)]
            await self._claiming.claim_groups(route, groups, states[route.name])
        names = [route.name for route in telling]
        await self._table.release_errors(names, [each.topic for each in failing])
