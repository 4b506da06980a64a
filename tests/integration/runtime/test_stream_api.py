"""The calls for consumers and streams: pause, reset, purge, and see its lag."""

import asyncio
from datetime import timedelta

import pytest

from imagedrift_runtime.clock import now
from imagedrift_runtime.nats import consumer
from imagedrift_runtime.nats.bus import Bus, connect
from imagedrift_runtime.nats.delivery import Delivery
from imagedrift_runtime.nats.errors import NoBus
from imagedrift_runtime.nats.outcomes import Done, HandlerOutcome
from imagedrift_runtime.nats.results import ConsumerLag
from imagedrift_sandbox.nats import NatsServer
from support.nats_bus import OwnStream
from support.polling import until


async def take_all(own: OwnStream, count: int) -> list[bytes]:
    """Handle messages until there were `count` of them."""
    seen: list[bytes] = []
    stopping = asyncio.Event()

    async def handler(delivery: Delivery) -> HandlerOutcome:
        seen.append(delivery.payload)
        if len(seen) == count:
            stopping.set()
        return Done()

    loop = consumer.handle_each(
        own.bus, own.name, own.consumer, handler, service="t", slots=8, stopping=stopping
    )
    await asyncio.wait_for(loop, 10)
    return seen


async def test_a_reset_consumer_delivers_everything_again(bus: Bus) -> None:
    """To rebuild what was made of a stream: every message that it holds comes once more."""
    own = await OwnStream.make(bus)
    await own.fill(5)
    first = await take_all(own, 5)

    await bus.reset_consumer(own.name, own.consumer)
    again = await take_all(own, 5)

    assert sorted(again) == sorted(first)
    assert await bus.lag(own.name, own.consumer) == ConsumerLag(0, 0, acknowledged=5)


async def test_a_pause_holds_for_every_replica_until_it_is_over(
    bus: Bus, nats_server: NatsServer
) -> None:
    """A paused consumer delivers to nobody; then delivery goes on by itself."""
    own = await OwnStream.make(bus)
    await bus.pause(own.name, own.consumer, now() + timedelta(seconds=1))
    await own.fill(1)
    behind = await bus.lag(own.name, own.consumer)

    async with connect([nats_server.url], "other") as other:
        own.bus = other
        began = asyncio.get_running_loop().time()
        seen = await take_all(own, 1)
        took = asyncio.get_running_loop().time() - began

    assert behind == ConsumerLag(pending=1, in_flight=0, paused=True)
    assert seen == [b"0"]
    assert took > 0.5


async def test_a_purged_subject_is_empty_and_others_are_not(bus: Bus) -> None:
    """Only the messages of one subject are removed."""
    own = await OwnStream.make(bus)
    await own.fill(3)

    await bus.purge_subject(own.name, f"{own.subject}.1")

    assert sorted(await take_all(own, 2)) == [b"0", b"2"]


async def test_a_missing_consumer_names_the_remedy(bus: Bus) -> None:
    """Every call says so."""
    own = await OwnStream.make(bus)

    for call in (
        bus.pause(own.name, "none", now()),
        bus.reset_consumer(own.name, "none"),
        bus.lag(own.name, "none"),
    ):
        with pytest.raises(NoBus, match=r"consumer not found: run `imagedrift streams`"):
            await call


async def test_lag_counts_what_waits_and_what_is_in_hand(bus: Bus) -> None:
    """Delivered and unacknowledged messages are not counted as waiting."""
    own = await OwnStream.make(bus)
    await own.fill(5)
    release, stopping = asyncio.Event(), asyncio.Event()

    async def blocked(delivery: Delivery) -> HandlerOutcome:
        await release.wait()
        return Done()

    loop = consumer.handle_each(
        bus, own.name, own.consumer, blocked, service="t", slots=2, stopping=stopping
    )
    task = asyncio.create_task(loop)
    await until(lambda: _lag_is(own, ConsumerLag(pending=3, in_flight=2)), what="two are in hand")
    stopping.set()
    release.set()
    await asyncio.wait_for(task, 5)


async def _lag_is(own: OwnStream, wanted: ConsumerLag) -> bool:
    return await own.bus.lag(own.name, own.consumer) == wanted
