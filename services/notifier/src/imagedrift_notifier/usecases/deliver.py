"""Delivering: a message is marked as being sent, sent, and marked by its outcome.

| killed                          | a webhook               | any other channel           |
|---------------------------------|-------------------------|-----------------------------|
| before it is marked             | sent later              | sent later                  |
| between the mark and the answer | sent again, the same id | doubtful, and not sent again |
| after the mark of its outcome   | sent                    | sent                        |

Routes do not wait for each other. A route whose channel fails is tried by one message at a time.
In quiet hours nothing is sent, whatever waits. A database that does not know our last try was
restored to an earlier time, and has forgotten what was sent since: what is due then is not sent.
"""

import asyncio
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Final, Protocol

from imagedrift_notifier.core.outbound import OutboundMessage, RouteCounts, StartedOver
from imagedrift_notifier.core.outcome import NextStep, SendOutcome, next_step
from imagedrift_notifier.core.route import MessageRoute
from imagedrift_notifier.core.schedule import is_quiet
from imagedrift_notifier.errors import DatabaseUnreachable
from imagedrift_notifier.usecases.claiming import LiveRoutes
from imagedrift_notifier.usecases.route_tasks import RouteTasks
from imagedrift_runtime import metrics
from imagedrift_runtime.clock import Clock
from imagedrift_runtime.logs import get_logger

log = get_logger()

MOST_AT_ONCE: Final = 8
"""Messages that are sent at the same time; each of them takes its turn anew."""
MOST_IN_A_RUN: Final = 50
"""Messages of one route in a run."""
PAUSES_S: Final = (0.5, 1.0, 2.0, 4.0, 8.0)
"""Between tries to mark an outcome: shorter, together, than what a message's lease leaves."""


class MessageQueue(Protocol):
    """Messages that are written. Raises `DatabaseUnreachable`."""

    async def resolve_dead(self) -> list[tuple[str, str, str]]:
        """Give back the messages of notifiers that died: (id, route, state) of each."""

    async def routes_with_messages(self) -> Mapping[str, datetime]:
        """Name the routes that have messages to be tried; with the time by the database."""

    async def begin_sending(self, route: str) -> OutboundMessage | None:
        """Take the next message of a route, if one is to be tried now."""

    async def end_sending(self, message: OutboundMessage, step: NextStep) -> None:
        """Note the outcome of a message."""

    async def is_known(self, message: OutboundMessage) -> bool:
        """Tell whether the database knows of a try, or was restored to a time before it."""

    async def start_over(self, last: OutboundMessage) -> StartedOver:
        """Claim all that is due or waits without a message, as it may have been told."""

    async def counts(self, routes: Sequence[str]) -> list[RouteCounts]:
        """Count the waiting messages of each route."""


class Sender(Protocol):
    """Carries messages to people."""

    async def send(self, route: MessageRoute, message: OutboundMessage) -> SendOutcome:
        """Send a message, and return the outcome; it never raises."""


class Deliver:
    """Sends written messages."""

    def __init__(
        self,
        queue: MessageQueue,
        sender: Sender,
        routes: LiveRoutes,
        clock: Clock,
        stopping: asyncio.Event,
        tasks: asyncio.TaskGroup,
    ) -> None:
        self._queue = queue
        self._sender = sender
        self._routes = routes
        self._clock = clock
        self._stopping = stopping
        self._free = asyncio.Semaphore(MOST_AT_ONCE)
        self._tasks = RouteTasks(tasks, self._send_all)
        self._last: OutboundMessage | None = None
        """The last message that this process began to send."""

    async def run(self) -> None:
        """Send all messages that are to be tried now."""
        await self._start_over_after_restore()
        for message_id, route, state in await self._queue.resolve_dead():
            log.warning("message.interrupted", message=message_id, route=route, state=state)
            metrics.people_messages.add(outcome="interrupted")
        held = self._routes().routes
        await self._count([*held])
        waiting = await self._queue.routes_with_messages()
        await self._tasks.run(
            held[name]
            for name, now in waiting.items()
            if name in held and not is_quiet(held[name].schedule, now)
        )

    async def _start_over_after_restore(self) -> None:
        last = self._last
        if last and not await self._queue.is_known(last):
            untold = await self._queue.start_over(last)
            self._last = None
            log.error("database.restored", messages=untold.messages, topics=untold.topics)

    async def _send_all(self, route: MessageRoute) -> None:
        """Send the messages of a route, one after the other."""
        for _ in range(MOST_IN_A_RUN):
            async with self._free:
                if self._stopping.is_set():
                    return
                await self._start_over_after_restore()
                message = await self._queue.begin_sending(route.name)
                if message is None:
                    return
                self._last = message
                await self._send(route, message)

    async def _send(self, route: MessageRoute, message: OutboundMessage) -> None:
        outcome = await self._sender.send(route, message)
        step = next_step(outcome, message.channel, message.attempts, message.age)
        await self._mark(message, step)
        told = {"message": message.message_id, "route": route.name, "attempt": message.attempts}
        if step.state == "sent":
            metrics.people_messages.add(outcome="sent")
            log.info("message.sent", **told)
        else:
            outcome_name = "retried" if step.state == "waiting" else step.state
            metrics.people_messages.add(outcome=outcome_name)
            log.warning("message.not_sent", state=step.state, error=step.error, **told)

    async def _mark(self, message: OutboundMessage, step: NextStep) -> None:
        """Note an outcome; a database that is away for a moment makes no message doubtful."""
        for pause_s in PAUSES_S:
            try:
                return await self._queue.end_sending(message, step)
            except DatabaseUnreachable:
                await self._clock.sleep(pause_s)
        return await self._queue.end_sending(message, step)

    async def _count(self, routes: Sequence[str]) -> None:
        if not routes:
            return
        for each in await self._queue.counts(routes):
            metrics.route_waiting.set(each.waiting, route=each.route)
            metrics.route_failing.set(each.failing, route=each.route)
