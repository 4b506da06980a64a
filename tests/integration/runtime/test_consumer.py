"""Pulling one by one: slots, long handlers, replicas, and a clean stop."""

import asyncio
import time

from imagedrift_runtime.nats import consumer
from imagedrift_runtime.nats.bus import Bus, connect
from imagedrift_runtime.nats.delivery import Delivery
from imagedrift_runtime.nats.outcomes import Done, HandlerOutcome, Retry
from imagedrift_sandbox.nats import NatsServer
from support.nats_bus import OwnStream
from support.polling import until
from support.pulling import Recorder, pulling


async def test_done_is_acknowledged_and_the_server_has_said_so(bus: Bus) -> None:
    """Once the loop has ended, no message is in flight and none waits."""
    own = await OwnStream.make(bus)
    await own.fill(10)
    handler = Recorder()

    async with pulling(own, handler):
        await until(lambda: len(handler.seen) == 10, what="all were handled")

    assert sorted(handler.payloads) == [b"%d" % n for n in range(10)]
    assert (await own.waiting(), await own.in_flight()) == (0, 0)


async def test_a_delivery_tells_where_it_came_from(bus: Bus) -> None:
    """Stream, sequence and the count of deliveries come with the payload."""
    own = await OwnStream.make(bus)
    await own.fill(1)
    handler = Recorder(Retry("later", 0.05))

    async with pulling(own, handler):
        await until(lambda: len(handler.seen) == 2, what="delivered twice")

    first, second = handler.seen
    assert (first.stream, first.stream_seq, first.deliveries) == (own.name, 1, 1)
    assert (second.stream_seq, second.deliveries) == (1, 2)
    assert first.stored_at.utcoffset() is not None


async def test_a_killed_handler_leaves_its_message_to_another(bus: Bus) -> None:
    """A replica that dies with a message in hand has not lost it."""
    own = await OwnStream.make(bus, consumer={"ack_wait": 0.3})
    await own.fill(1)
    begun = asyncio.Event()

    async def hanging(delivery: Delivery) -> HandlerOutcome:
        begun.set()
        await asyncio.Event().wait()
        return Done()

    loop = consumer.handle_each(
        bus, own.name, own.consumer, hanging, service="t", slots=1, stopping=asyncio.Event()
    )
    killed = asyncio.create_task(loop)
    await asyncio.wait_for(begun.wait(), 5)
    killed.cancel()

    handler = Recorder()
    async with pulling(own, handler):
        await until(lambda: handler.seen, what="delivered to the other")

    assert handler.seen[0].deliveries == 2


async def test_a_long_handler_keeps_its_message(bus: Bus) -> None:
    """Work that takes several times the acknowledgement wait is not given to another meanwhile."""
    own = await OwnStream.make(bus, consumer={"ack_wait": 0.3})
    await own.fill(1)
    begun: list[int] = []
    ended = asyncio.Event()

    async def slow(delivery: Delivery) -> HandlerOutcome:
        begun.append(delivery.deliveries)
        await asyncio.sleep(1.2)
        ended.set()
        return Done()

    async with pulling(
        own, slow, slots=4, progress_every_s=0.1
    ):  # three slots wait for it meanwhile
        await asyncio.wait_for(ended.wait(), 5)

    assert begun == [1]
    assert (await own.waiting(), await own.in_flight()) == (0, 0)


async def test_what_does_not_fit_goes_to_another_replica(bus: Bus, nats_server: NatsServer) -> None:
    """A replica holds as many messages as it has slots; the rest is there for others."""
    own = await OwnStream.make(bus)
    await own.fill(6)
    release = asyncio.Event()
    first: list[bytes] = []

    async def blocked(delivery: Delivery) -> HandlerOutcome:
        first.append(delivery.payload)
        await release.wait()
        return Done()

    second = Recorder()
    async with pulling(own, blocked, slots=2):
        await until(lambda: len(first) == 2, what="the first is full")
        assert await own.in_flight() == 2, "it holds no more than it has slots"
        async with connect([nats_server.url], "other") as other:
            own_other = OwnStream(other)
            own_other.name, own_other.consumer = own.name, own.consumer
            async with pulling(own_other, second, slots=2):
                await until(lambda: len(second.seen) == 4, what="the other did the rest")
        release.set()

    assert sorted([*first, *second.payloads]) == [b"%d" % n for n in range(6)]


async def test_a_lane_that_is_full_goes_on_as_soon_as_there_is_room(
    bus: Bus, nats_server: NatsServer
) -> None:
    """Where replicas have more slots than the lane lets through, none sits on what it got."""
    own = await OwnStream.make(bus, consumer={"max_ack_pending": 3})
    await own.fill(60)
    handler = Recorder()

    async with connect([nats_server.url], "other") as other:
        own_other = OwnStream(other)
        own_other.name, own_other.consumer = own.name, own.consumer
        began = time.monotonic()
        async with pulling(own, handler, slots=8), pulling(own_other, handler, slots=8):
            await until(lambda: len(handler.seen) == 60, what="all are handled")
        took = time.monotonic() - began

    assert took < 4, "one fetch that waits for its time to be over takes five seconds"


async def test_stopping_waits_for_handlers_and_fetches_no_more(bus: Bus) -> None:
    """Messages in hand are finished and acknowledged; the others are left."""
    own = await OwnStream.make(bus)
    await own.fill(5)
    release = asyncio.Event()
    handled: list[bytes] = []

    async def blocked(delivery: Delivery) -> HandlerOutcome:
        await release.wait()
        handled.append(delivery.payload)
        return Done()

    async with pulling(own, blocked, slots=2) as stopping:
        await until(lambda: _in_flight_is(own, 2), what="two are in hand")
        stopping.set()
        release.set()

    assert len(handled) == 2
    assert (await own.waiting(), await own.in_flight()) == (3, 0)


async def _in_flight_is(own: OwnStream, count: int) -> bool:
    return await own.in_flight() == count


async def test_messages_flow_again_after_the_server_was_killed(fresh_nats: NatsServer) -> None:
    """A loop that was at work when the server died goes on when it is back."""
    async with connect([fresh_nats.url], "test") as bus:
        own = await OwnStream.make(bus)
        handler = Recorder()
        async with pulling(own, handler):
            await own.fill(1)
            await until(lambda: handler.seen, what="the first one")
            fresh_nats.kill()
            await until(lambda: not bus.server, what="the client saw the end")
            await fresh_nats.restart()
            await until(lambda: bus.server, what="reconnected")
            await bus.publish(f"{own.subject}.after", b"after")
            await until(lambda: b"after" in handler.payloads, what="the one after", within_s=15)
