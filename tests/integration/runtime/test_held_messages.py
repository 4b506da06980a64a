"""Messages that a process holds are delivered to no other, however long it works on them."""

import asyncio
from collections.abc import Sequence
from typing import Final

from msgspec.structs import replace

from imagedrift_runtime.nats import consumer
from imagedrift_runtime.nats.bus import Bus
from imagedrift_runtime.nats.delivery import Delivery
from imagedrift_runtime.nats.outcomes import Done, Outcome
from support.nats_bus import OwnStream
from support.polling import until

ACK_WAIT_S: Final = 0.6
LIMITS: Final = replace(consumer.BATCH, progress_every_s=ACK_WAIT_S / 3)


async def test_messages_that_wait_for_a_slow_batch_are_kept_too(bus: Bus) -> None:
    """Messages that come while a batch takes several waits are handled after it, by no other."""
    own = await OwnStream.make(bus, consumer={"ack_wait": ACK_WAIT_S})
    began, goes_on, enough = asyncio.Event(), asyncio.Event(), asyncio.Event()
    first: list[int] = []
    other: list[int] = []

    async def slow(messages: Sequence[Delivery]) -> Sequence[Outcome]:
        first.extend(each.deliveries for each in messages)
        began.set()
        await goes_on.wait()
        return [Done()] * len(messages)

    async def quick(messages: Sequence[Delivery]) -> Sequence[Outcome]:
        other.extend(each.deliveries for each in messages)
        return [Done()] * len(messages)

    def replica(handler: consumer.BatchHandler) -> asyncio.Task[None]:
        return asyncio.create_task(
            consumer.handle_batches(
                bus,
                own.name,
                own.consumer,
                handler,
                service="t",
                size=4,
                stopping=enough,
                limits=LIMITS,
            )
        )

    await own.fill(1)
    loops = [replica(slow)]
    await began.wait()
    await own.fill(3)
    await until(lambda: _holds(own, 4), what="three more are delivered")
    loops.append(replica(quick))
    await asyncio.sleep(3 * ACK_WAIT_S)
    goes_on.set()
    await until(lambda: _holds(own, 0), what="all are acknowledged")
    enough.set()
    await asyncio.wait_for(asyncio.gather(*loops), 10)

    assert (first, other) == ([1] * 4, [])


async def _holds(own: OwnStream, count: int) -> bool:
    return (await own.waiting(), await own.in_flight()) == (0, count)
