"""Held messages: what a process has of a consumer is kept from other replicas, by progress.

Rules:
- The server delivers again what it hears nothing of for the consumer's `ack_wait`: so soon is done
  again what a killed process held (`topology.ACK_WAIT_S`).
- A process that lives tells it three times as often, whatever holds the work up: also of messages
  that came and wait, as the batch before them has a frozen database to wait for.
- Messages are told of together, at one time for all: most are handled before that.
- Nothing is told while disconnected: the client would keep it, and send it all on its return. Then
  it is told soon, as the server has waited meanwhile.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from typing import Any, Final

from imagedrift_runtime import metrics
from imagedrift_runtime.logs import get_logger
from imagedrift_runtime.nats.bus import Bus
from imagedrift_runtime.nats.nats_py import nats

log = get_logger()

SOONER: Final = 10
"""How many times sooner it is looked again, where there is no server to tell."""
PROGRESS: Final = b"+WPI"


class HeldMessages:
    """The messages that one loop holds."""

    def __init__(self, bus: Bus) -> None:
        self._connection = bus._connection
        self._handled: dict[str, Any] = {}
        self.waiting: Callable[[], Sequence[Any]] = tuple
        """Gives those that came and wait for a handler."""

    @contextmanager
    def handling(self, messages: Sequence[Any]) -> Iterator[None]:
        """Keep messages while a handler has them."""
        stream, began = messages[0].metadata.stream, time.monotonic()
        metrics.in_flight.add(len(messages), stream=stream)
        self._handled |= {message.reply: message for message in messages}
        try:
            yield
        finally:
            for message in messages:
                self._handled.pop(message.reply, None)
            metrics.in_flight.add(-len(messages), stream=stream)
            metrics.handling.observe(time.monotonic() - began, stream=stream)

    async def tell(self, every_s: float) -> None:
        """Tell the server of all that is held, for ever."""
        while True:
            is_connected = self._connection.is_connected
            if is_connected:
                await self._tell_once()
            await asyncio.sleep(every_s if is_connected else every_s / SOONER)

    async def _tell_once(self) -> None:
        # Not by the messages' own client: that may be one that was replaced.
        client = self._connection.client
        try:
            for message in [*self._handled.values(), *self.waiting()]:
                await client.publish(message.reply, PROGRESS)
        except (OSError, nats.errors.Error) as error:
            log.warning("progress.failed", error=repr(error))


@asynccontextmanager
async def keeping(bus: Bus, every_s: float) -> AsyncIterator[HeldMessages]:
    """Keep the held messages for the length of the context."""
    held = HeldMessages(bus)
    telling = asyncio.create_task(held.tell(every_s))
    try:
        yield held
    finally:
        telling.cancel()
