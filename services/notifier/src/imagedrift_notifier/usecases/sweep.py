"""Sweeping: what becomes due without a changed verdict is claimed, too.

A waiting time passes, an excuse ends, a newer version is found, a registry fails: no message of
`DRIFT_CHANGED` tells that. So candidates are read in the order of their names, and from the start
again; a run ends after a while, and the next one goes on from there. Only routes that have not
claimed all of a candidate look at it. A route that is new is begun by a pass over all: what was due
before it was made is claimed without being sent.
"""

import math
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Final, Protocol

from imagedrift_notifier.core.due_group import Candidate, DueGroup, Topic
from imagedrift_notifier.core.outbound import RouteState
from imagedrift_notifier.core.route import MessageRoute
from imagedrift_notifier.core.schedule import send_time
from imagedrift_notifier.usecases.claiming import Claiming, LiveRoutes
from imagedrift_runtime.clock import Clock

MOST_AT_ONCE: Final = 500
"""Candidates that are read at once."""
LOOKS_FOR_S: Final = 3.0
"""A run looks no longer, once all routes are begun: a tenth of the time between two of them."""


class CandidateReader(Protocol):
    """Names images that may be due. Raises `DatabaseUnreachable`."""

    async def candidates(
        self, routes: Sequence[MessageRoute], behind: str, most: int
    ) -> Sequence[Candidate]:
        """Name references that may be due, those behind a name."""

    async def errors(self) -> list[DueGroup]:
        """Read which registries fail."""


class RouteStates(Protocol):
    """Routes, and whether each is begun. Raises `DatabaseUnreachable`."""

    async def begin(self, routes: Sequence[str]) -> None:
        """Note that all that was due before these routes were made is claimed."""

    async def bring_forward(self, latest: Mapping[str, datetime]) -> None:
        """Bring the gathered topics of each route forward to these times, where they are sooner."""

    async def release_errors(self, routes: Sequence[str], failing: Sequence[Topic]) -> None:
        """Forget the claims of registries that do not fail any more."""


class Sweep:
    """Looks at all candidates, in portions."""

    def __init__(
        self,
        reader: CandidateReader,
        table: RouteStates,
        claiming: Claiming,
        routes: LiveRoutes,
        clock: Clock,
    ) -> None:
        self._reader = reader
        self._table = table
        self._claiming = claiming
        self._routes = routes
        self._clock = clock
        self._behind = ""
        self._since_start: set[str] = set()
        """Routes that were there for the whole of this pass."""

    async def run(self) -> None:
        """Go on with the pass, for a while; to its end while a route is to be begun."""
        states = await self._claiming.states()
        if not states:
            return
        await self._bring_forward(states)
        await self._claim_errors(states)
        is_begun = all(state.is_begun for state in states.values())
        until = self._clock.monotonic() + LOOKS_FOR_S if is_begun else math.inf
        while not await self._look(states, until) and self._clock.monotonic() < until:
            pass

    async def _look(self, states: Mapping[str, RouteState], until: float) -> bool:
        """Look at a portion, and tell whether the pass is at its end."""
        self._since_start = self._since_start & {*states} if self._behind else {*states}
        routes = [each for name, each in self._routes().routes.items() if name in states]
        found = await self._reader.candidates(routes, self._behind, MOST_AT_ONCE)
        wanted = {each.reference: each.routes for each in found}
        for portion in await self._claiming.portions(list(wanted)):
            if until < math.inf:  # images that cannot be read do not keep others waiting
                self._behind = portion[-1]
            await self._claiming.claim({each: wanted[each] for each in portion}, states)
            if self._clock.monotonic() >= until:
                return False
        is_last = len(found) < MOST_AT_ONCE
        self._behind = "" if is_last else found[-1].reference
        if is_last and (new := [n for n in self._since_start if not states[n].is_begun]):
            await self._table.begin(new)
        return is_last

    async def _bring_forward(self, states: Mapping[str, RouteState]) -> None:
        """Apply times that were changed in the file since something was claimed."""
        routes = self._routes().routes
        await self._table.bring_forward(
            {
                name: send_time(routes[name].schedule, state.now)
                for name, state in states.items()
                if name in routes
            }
        )

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
            due = [each.due for each in failing if route.tells_of(each.topic.reference)]
            await self._claiming.claim_topics(route, due, states[route.name])
        names = [route.name for route in telling]
        await self._table.release_errors(names, [each.topic for each in failing])
