"""A task for each route: one that takes long holds up no other.

Rules:
- A route has one task at a time. While it has one, it is not begun again.
- A failure of one route is raised by the next run, after all others have been begun.
- The service's task group holds the tasks: it ends when they have.
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from typing import Final

from imagedrift_notifier.core.route import MessageRoute

WAITS_S: Final = 1.0
"""A run waits so long for the tasks that it begins: most are over before."""


class RouteTasks:
    """Does a work for routes, each by itself."""

    def __init__(
        self, tasks: asyncio.TaskGroup, work: Callable[[MessageRoute], Awaitable[None]]
    ) -> None:
        self._tasks = tasks
        self._work = work
        self._busy: set[str] = set()
        self._failed: list[Exception] = []

    async def run(self, routes: Iterable[MessageRoute]) -> None:
        """Begin the work of each route that has none under way. Raises what one failed with."""
        idle = [route for route in routes if route.name not in self._busy]
        begun = [self._tasks.create_task(self._one(route)) for route in idle]
        if begun:
            await asyncio.wait(begun, timeout=WAITS_S)
        failed, self._failed = self._failed, []
        if failed:
            raise failed[0]

    async def _one(self, route: MessageRoute) -> None:
        self._busy.add(route.name)
        try:
            await self._work(route)
        except Exception as error:  # told by the next run: here it would end the service
            self._failed.append(error)
        finally:
            self._busy.discard(route.name)
