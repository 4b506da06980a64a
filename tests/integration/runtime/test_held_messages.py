"""Messages that a process holds are delivered to no other, however long it works on them."""

import asyncio
from collections.abc import Sequence
from typing import Final

import pytest
from msgspec.structs import replace

from imagedrift_runtime.nats import consumer
from imagedrift_runtime.nats.bus import Bus, connect
from imagedrift_runtime.nats.delivery import Delivery
from imagedrift_runtime.nats.outcomes import Done, HandlerOutcome
from imagedrift_sandbox.nats import NatsServer
from support.nats_bus import OwnStream
from support.nats_client import nats_client
from support.polling import until
from support.pulling import pulling

ACK_WAIT_S: Final = 0.6
RESTARTED_WITHIN_S: Final = 4.0
LIMITS: Final = replace(consumer.BATCH, progress_every_s=ACK_WAIT_S / 3)


async def test_messages_that_wait_for_a_slow_batch_are_kept_too(bus: Bus) -> None:
    """Messages that come while a batch takes several waits are handled after it, by no other."""
    own = await OwnStream.make(bus, consumer={"ack_wait": ACK_WAIT_S})
    began, goes_on, enough = asyncio.Event(), asyncio.Event(), asyncio.Event()
    seen: list[int] = []

    async def slow(messages: Sequence[Delivery]) -> Sequence[HandlerOutcome]:
        seen.extend(each.deliveries for each in messages)
        began.set()
        await goes_on.wait()
        return [Done()] * len(messages)

    await own.fill(1)
    loop = asyncio.create_task(
        consumer.handle_batches(
            bus,
            own.name,
            own.consumer,
            slow,
            service="t",
            size=4,
            stopping=enough,
            limits=LIMITS,
        )
    )
    await began.wait()
    await own.fill(3)
    await until(lambda: _holds(own, 4), what="three more are delivered")
    await _no_other_gets_any(own, within_s=3 * ACK_WAIT_S)
    goes_on.set()
    await until(lambda: _holds(own, 0), what="all are acknowledged")
    enough.set()
    await asyncio.wait_for(loop, 10)

    assert seen == [1] * 4


async def _holds(own: OwnStream, count: int) -> bool:
    return (await own.waiting(), await own.in_flight()) == (0, count)


async def test_a_message_is_kept_by_a_process_whose_server_was_restarted(
    fresh_nats: NatsServer,
) -> None:
    """A server that is killed and comes back soon delivers nothing twice that is worked on."""
    goes_on = asyncio.Event()
    seen: list[int] = []

    async def slow(message: Delivery) -> HandlerOutcome:
        seen.append(message.deliveries)
        await goes_on.wait()
        return Done()

    async with connect([fresh_nats.url], "test") as bus:
        own = await OwnStream.make(bus, consumer={"ack_wait": RESTARTED_WITHIN_S})
        await own.fill(1)
        async with pulling(own, slow, slots=1, progress_every_s=RESTARTED_WITHIN_S / 3):
            await until(lambda: seen, what="it is worked on")
            fresh_nats.kill()
            await until(lambda: not bus.server, what="the client saw the end")
            await fresh_nats.restart()
            await until(lambda: bus.server, what="reconnected")
            await _no_other_gets_any(own, within_s=2 * RESTARTED_WITHIN_S)
            goes_on.set()
        assert (await own.waiting(), await own.in_flight()) == (0, 0)

    assert seen == [1]


async def _no_other_gets_any(own: OwnStream, within_s: float) -> None:
    """Pull as another replica, in vain."""
    async with nats_client(own.bus) as client:
        other = await client.jetstream().pull_subscribe_bind(own.consumer, own.name)
        with pytest.raises(TimeoutError):
            await other.fetch(1, timeout=within_s)
