"""A loop that pulls from a consumer, and a handler that notes what it gets."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import msgspec

from imagedrift_runtime.nats import consumer
from imagedrift_runtime.nats.delivery import Delivery
from imagedrift_runtime.nats.fetch import PullLimits
from imagedrift_runtime.nats.outcomes import Done, HandlerOutcome
from support.nats_bus import OwnStream


@asynccontextmanager
async def pulling(
    own: OwnStream,
    handler: consumer.DeliveryHandler,
    *,
    slots: int = 4,
    **limits: float,
) -> AsyncIterator[asyncio.Event]:
    """Run a loop for the length of the context; it must end by itself when asked to."""
    stopping = asyncio.Event()
    loop = consumer.handle_each(
        own.bus,
        own.name,
        own.consumer,
        handler,
        service=own.name,
        slots=slots,
        stopping=stopping,
        limits=msgspec.convert(limits, PullLimits),
    )
    task = asyncio.create_task(loop)
    try:
        yield stopping
        stopping.set()
        await asyncio.wait_for(task, 5)
    finally:
        task.cancel()


class Recorder:
    """A handler that notes what it gets and answers from a list; `Done` when that is at its end."""

    def __init__(self, *answers: object) -> None:
        self.seen: list[Delivery] = []
        self._answers = list(answers)

    async def __call__(self, delivery: Delivery) -> HandlerOutcome:
        """Note, and answer."""
        self.seen.append(delivery)
        answer = self._answers.pop(0) if self._answers else Done()
        if isinstance(answer, BaseException):
            raise answer
        return answer  # type: ignore[return-value]  # a wrong one is what some tests are about

    @property
    def payloads(self) -> list[bytes]:
        """The deliveries, in order."""
        return [each.payload for each in self.seen]
