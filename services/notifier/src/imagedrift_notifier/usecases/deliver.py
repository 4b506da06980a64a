"""Delivering: a message is marked as being sent, sent, and marked by its outcome.

| killed                          | a webhook               | any other channel           |
|---------------------------------|-------------------------|-----------------------------|
| before it is marked             | sent later              | sent later                  |
| between the mark and the answer | sent again, the same id | doubtful, and not sent again |
| after the mark of its outcome   | sent                    | sent                        |

Routes do not wait for each other. A route whose channel fails is tried by one message at a time.
"""

import asyncio
from collections.abc import Sequence
from typing import Final, Protocol

from imagedrift_notifier.core.outbound import OutboundMessage, RouteCounts
from imagedrift_notifier.core.outcome import NextStep, SendOutcome, next_step
from imagedrift_notifier.core.route import MessageRoute
from imagedrift_notifier.usecases.claiming import LiveRoutes
from imagedrift_runtime import metrics
from imagedrift_runtime.clock import Clock
from imagedrift_runtime.logs import get_logger

log = get_logger()

MOST_AT_ONCE: Final = 8
"""Routes that send at the same time."""
MOST_IN_A_RUN: Final = 50
"""Messages of one route in a run."""


class MessageQueue(Protocol):
    """Messages that are written. Raises `DatabaseAway`."""

    async def resolve_dead(self) -> list[tuple[str, str, str]]:
        """Give back the messages of notifiers that died: (id, route, state) of each."""

    async def routes_with_messages(self) -> set[str]:
        """Name the routes that have messages which are to be tried now."""

    async def begin_sending(self, route: str) -> OutboundMessage | None:
        """Take the next message of a route, if one is to be tried now."""

    async def end_sending(self, message: OutboundMessage, step: NextStep) -> None:
        """Note the outcome of a message."""

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
    ) -> None:
        self._queue = queue
        self._sender = sender
        self._routes = routes
        self._clock = clock
        self._stopping = stopping
        self._free = asyncio.Semaphore(MOST_AT_ONCE)

    async def run(self) -> None:
        """Send all messages that are to be tried now."""
        for message_id, route, state in await self._queue.resolve_dead():
            log.warning("message.interrupted", message=message_id, route=route, state=state)
            metrics.people_messages.add(outcome="interrupted")
        held = self._routes().routes
        waiting = [held[name] for name in await self._queue.routes_with_messages() if name in held]
        ended = await asyncio.gather(*map(self._send_all, waiting), return_exceptions=True)
        for each in ended:
            if isinstance(each, BaseException):
                raise each
        await self._count([*held])

    async def _send_all(self, route: MessageRoute) -> None:
        """Send the messages of a route, one after the other."""
        async with self._free:
            for _ in range(MOST_IN_A_RUN):
                if self._stopping.is_set():
                    return
                message = await self._queue.begin_sending(route.name)
                if message is None:
                    return
                await self._send(route, message)

    async def _send(self, route: MessageRoute, message: OutboundMessage) -> None:
        outcome = await self._sender.send(route, message)
        step = next_step(
            outcome, message.channel, message.attempts, message.created_at, self._clock.now()
        )
        await self._queue.end_sending(message, step)
        told = {"message": message.message_id, "route": route.name, "attempt": message.attempts}
        if step.state == "sent":
            metrics.people_messages.add(outcome="sent")
            log.info("message.sent", **told)
        else:
            outcome_name = "retried" if step.state == "waiting" else step.state
            metrics.people_messages.add(outcome=outcome_name)
            log.warning("message.not_sent", state=step.state, error=step.error, **told)

    async def _count(self, routes: Sequence[str]) -> None:
        if not routes:
            return
        for each in await self._queue.counts(routes):
            metrics.route_waiting.set(each.waiting, route=each.route)
            metrics.route_failing.set(each.failing, route=each.route)
