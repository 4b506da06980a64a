"""How far a consumer is behind, told to metrics while a loop pulls from it.

It is asked seldom: a consumer's information costs the server more than a message does.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

from imagedrift_runtime import metrics
from imagedrift_runtime.nats.bus import Bus
from imagedrift_runtime.nats.errors import NoBus

EVERY_S = 15.0


@asynccontextmanager
async def reporting(bus: Bus, stream: str, consumer: str, every_s: float) -> AsyncIterator[None]:
    """Report for the length of the context; nothing where metrics are off."""
    if not metrics.pending.is_on:
        yield
        return
    task = asyncio.create_task(_report(bus, stream, consumer, every_s))
    try:
        yield
    finally:
        task.cancel()


async def _report(bus: Bus, stream: str, consumer: str, every_s: float) -> None:
    while True:
        with suppress(NoBus):  # the loop itself says what is wrong
            lag = await bus.lag(stream, consumer)
            metrics.pending.set(lag.pending, stream=stream, consumer=consumer)
            metrics.acknowledging.set(lag.in_flight, stream=stream, consumer=consumer)
        await asyncio.sleep(every_s)
