"""Subscriptions on core NATS: handlers of messages that nobody stores, and micro services.

Each is in force when the call returns: who asks then is heard. Each is kept, so that a new client
after a lost one gets it again, and so that the end can let it finish what it holds.

What comes faster than a listener takes it is kept within a bound, in messages and in bytes. What
comes beyond that is lost, as everything may be that nobody stores.
"""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Any, Final

from imagedrift_runtime.logs import get_logger
from imagedrift_runtime.nats import service_api
from imagedrift_runtime.nats.connection import CLOSE_WITHIN_S, Connection
from imagedrift_runtime.nats.errors import NoBus
from imagedrift_runtime.nats.nats_py import nats

log = get_logger()

MOST_WAITING: Final = 65_536
MOST_WAITING_BYTES: Final = 32 * 1024 * 1024
"""Of the messages that wait for one listener; nats-py keeps half a million, of 128 MiB."""

Listener = Callable[[str, bytes], Awaitable[None]]


class Subscriptions:
    """The subscriptions of one connection."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._starts: list[Callable[[], Awaitable[Any]]] = []
        self._started: list[Any] = []
        connection.when_replaced.append(self._again)

    async def listen(self, subject: str, handler: Listener, queue: str) -> None:
        """Call `handler` for each message on `subject`. What it raises is logged."""

        async def guarded(message: Any) -> None:
            try:
                await handler(message.subject, message.data)
            except Exception:
                log.exception("message.failed", subject=message.subject)

        await self._keep(
            lambda: self._connection.client.subscribe(
                subject,
                queue=queue,
                cb=guarded,
                pending_msgs_limit=MOST_WAITING,
                pending_bytes_limit=MOST_WAITING_BYTES,
            )
        )

    async def serve(
        self,
        service: service_api.ServiceDescription,
        handler: service_api.RequestHandler,
        slots: int,
    ) -> None:
        """Answer requests as a micro service."""
        await self._keep(
            lambda: service_api.start(self._connection.client, service, handler, slots)
        )

    async def drain(self) -> None:
        """Take nothing more, and finish the taken messages, within a bound."""
        with suppress(TimeoutError):
            async with asyncio.timeout(CLOSE_WITHIN_S):
                ends = (each.drain() for each in self._started)
                await asyncio.gather(*ends, return_exceptions=True)

    async def _keep(self, start: Callable[[], Awaitable[Any]]) -> None:
        self._started.append(await start())
        self._starts.append(start)
        with suppress(NoBus):  # away for now: the client subscribes again on its return
            await self._connection.probe()  # the server answers in order: now it knows

    async def _again(self) -> None:
        self._started.clear()
        for start in self._starts:
            try:
                self._started.append(await start())
            except nats.errors.Error as error:  # lost once more: there will be another client
                log.warning("subscription.failed", error=str(error))
