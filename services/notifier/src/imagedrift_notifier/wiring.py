"""Makes the parts of one notifier process, and its repeated work."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Final

from msgspec import Struct

from imagedrift_notifier.adapters.channels import Channels
from imagedrift_notifier.adapters.database import NotifierDatabase
from imagedrift_notifier.adapters.due_views import DueViews
from imagedrift_notifier.adapters.message_tables import MessageTables
from imagedrift_notifier.adapters.routes_file import LiveRoutesFile
from imagedrift_notifier.errors import DatabaseUnreachable
from imagedrift_notifier.usecases.claiming import Claiming
from imagedrift_notifier.usecases.compose import Compose
from imagedrift_notifier.usecases.deliver import Deliver
from imagedrift_notifier.usecases.note import NoteChanges
from imagedrift_notifier.usecases.sweep import Sweep
from imagedrift_runtime.clock import Clock
from imagedrift_runtime.nats import consumer
from imagedrift_runtime.nats.bus import Bus
from imagedrift_runtime.periodic import Periodic
from imagedrift_runtime.process import Process
from imagedrift_schemas import subjects

BATCH: Final = 200


class NotifierPeriods(Struct, frozen=True, kw_only=True):
    """How often each work is repeated, in seconds."""

    sweep: float = 30.0
    compose: float = 1.0
    deliver: float = 1.0
    routes: float = 5.0
    prune: float = 3600.0


class NotifierWiring:
    """The parts of one process."""

    def __init__(
        self,
        run: Process,
        database: NotifierDatabase,
        bus: Bus,
        routes: LiveRoutesFile,
        clock: Clock,
    ) -> None:
        self._run = run
        self._bus = bus
        self._routes = routes
        self._clock = clock
        views, self._tables = DueViews(database), MessageTables(database)
        self._views = views
        self._claiming = Claiming(views, self._tables, routes)
        self._sweep = Sweep(views, self._tables, self._claiming, routes, clock)

    async def serve(self, every: NotifierPeriods) -> None:
        """Handle changes, and repeat all work, until asked to stop."""
        stopping = self._run.stopping
        periodic = Periodic(
            self._run.works, stopping, self._clock, postponed_by=(DatabaseUnreachable,)
        )
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(
                consumer.handle_batches(
                    self._bus,
                    subjects.STREAM_CHANGED,
                    subjects.CONSUMER_NOTIFIER,
                    NoteChanges(self._claiming).handle,
                    service="notifier",
                    size=BATCH,
                    stopping=stopping,
                )
            )
            for name, work, every_s in self._works(every, tasks):
                tasks.create_task(periodic.repeat(name, work, every_s))

    def _works(
        self, every: NotifierPeriods, tasks: asyncio.TaskGroup
    ) -> list[tuple[str, Callable[[], Awaitable[object]], float]]:
        compose = Compose(self._views, self._tables, self._routes, tasks)
        channels = Channels(self._clock)
        deliver = Deliver(
            self._tables, channels, self._routes, self._clock, self._run.stopping, tasks
        )
        return [
            ("renew_routes", self._routes.renew, every.routes),
            ("sweep", self._sweep.run, every.sweep),
            ("compose", compose.run, every.compose),
            ("deliver", deliver.run, every.deliver),
            ("prune", lambda: self._tables.prune(self._clock.now()), every.prune),
        ]
