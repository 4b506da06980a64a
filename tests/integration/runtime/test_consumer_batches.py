"""Pulling in batches: one outcome per message, in order, or the batch comes again."""

import asyncio
import time
from collections.abc import Awaitable, Sequence

import pytest
import structlog
from msgspec.structs import replace

from imagedrift_runtime.nats import consumer
from imagedrift_runtime.nats.bus import Bus
from imagedrift_runtime.nats.delivery import Delivery
from imagedrift_runtime.nats.fetch import PullLimits
from imagedrift_runtime.nats.outcomes import Done, HandlerOutcome, Retry
from support.nats_bus import OwnStream
from support.polling import until


async def run(
    own: OwnStream,
    handler: consumer.BatchHandler,
    enough: asyncio.Event,
    limits: PullLimits = consumer.BATCH,
) -> None:
    """Run a loop of batches of four until `enough`."""
    loop = consumer.handle_batches(
        own.bus,
        own.name,
        own.consumer,
        handler,
        service="t",
        size=4,
        stopping=enough,
        limits=limits,
    )
    await asyncio.wait_for(loop, 10)


async def test_a_batch_is_no_larger_than_asked_and_nothing_is_left(bus: Bus) -> None:
    """Ten messages in batches of at most four, each once."""
    own = await OwnStream.make(bus)
    await own.fill(10)
    enough = asyncio.Event()
    batches: list[list[bytes]] = []

    async def handler(messages: Sequence[Delivery]) -> Sequence[HandlerOutcome]:
        batches.append([each.payload for each in messages])
        if sum(map(len, batches)) == 10:
            enough.set()
        return [Done()] * len(messages)

    await run(own, handler, enough)
    await until(lambda: _is_settled(own), what="all are acknowledged")

    assert max(map(len, batches)) <= 4
    assert sorted(payload for batch in batches for payload in batch) == [
        b"%d" % n for n in range(10)
    ]


async def test_a_full_stream_comes_in_full_batches(bus: Bus) -> None:
    """The first message, which is there a moment before the rest, is no batch of its own."""
    own = await OwnStream.make(bus)
    await own.fill(40)
    enough = asyncio.Event()
    sizes: list[int] = []

    async def handler(messages: Sequence[Delivery]) -> Sequence[HandlerOutcome]:
        sizes.append(len(messages))
        if sum(sizes) == 40:
            enough.set()
        return [Done()] * len(messages)

    await run(own, handler, enough)
    assert sizes.count(4) >= 9, sizes


async def _is_left(own: OwnStream, count: int) -> bool:
    return await own.waiting() + await own.in_flight() == count


async def _is_settled(own: OwnStream) -> bool:
    return (await own.waiting(), await own.in_flight()) == (0, 0)


async def test_each_message_has_the_outcome_of_its_place(bus: Bus) -> None:
    """Of one batch, those that are to come again do, and the others do not."""
    own = await OwnStream.make(bus)
    await own.fill(4)
    enough = asyncio.Event()
    seen: list[bytes] = []

    async def handler(messages: Sequence[Delivery]) -> Sequence[HandlerOutcome]:
        seen.extend(each.payload for each in messages)
        if len(seen) == 6:
            enough.set()
        return [
            Retry("odd", 0.05) if int(each.payload) % 2 and each.deliveries == 1 else Done()
            for each in messages
        ]

    await run(own, handler, enough)

    assert sorted(seen) == [b"0", b"1", b"1", b"2", b"3", b"3"]


async def test_after_a_batch_that_is_all_put_off_the_loop_rests(bus: Bus) -> None:
    """The loop rests after each batch of which every message is put off."""
    own = await OwnStream.make(bus)
    await own.fill(1)
    enough = asyncio.Event()
    called_at: list[float] = []

    async def handler(messages: Sequence[Delivery]) -> Sequence[HandlerOutcome]:
        called_at.append(time.monotonic())
        await own.fill(1)
        if len(called_at) == 3:
            enough.set()
        return [Retry("waits", 60)] * len(messages)

    await run(own, handler, enough, replace(consumer.BATCH, rest_s=0.3))

    assert called_at[2] - called_at[0] >= 0.6


async def test_after_a_batch_of_which_one_is_handled_the_loop_goes_on(bus: Bus) -> None:
    """Messages of others are fetched at once, also where some are put off."""
    own = await OwnStream.make(bus)
    await own.fill(2)
    enough = asyncio.Event()
    seen: list[Delivery] = []

    async def handler(messages: Sequence[Delivery]) -> Sequence[HandlerOutcome]:
        seen.extend(messages)
        if len(seen) == 4:
            enough.set()
        elif len(seen) == 2:
            await own.fill(2)
        return [Done(), *[Retry("waits", 60)] * (len(messages) - 1)]

    await run(own, handler, enough, replace(consumer.BATCH, rest_s=3600.0))

    assert [each.deliveries for each in seen] == [1, 1, 1, 1]


@pytest.mark.parametrize("extra", [-1, 1], ids=["one too few", "one too many"])
async def test_a_wrong_number_of_outcomes_is_a_defect_that_loses_nothing(
    bus: Bus, extra: int
) -> None:
    """The outcomes cannot be told apart: the whole batch comes again."""
    own = await OwnStream.make(bus)
    await own.fill(3)
    enough = asyncio.Event()
    again: list[bytes] = []

    async def handler(messages: Sequence[Delivery]) -> Sequence[HandlerOutcome]:
        again.extend(each.payload for each in messages if each.deliveries == 2)
        if len(again) == 3:
            enough.set()
        wrong = extra if all(each.deliveries == 1 for each in messages) else 0
        return [Done()] * (len(messages) + wrong)

    with structlog.testing.capture_logs() as logs:
        await run(own, handler, enough, replace(consumer.BATCH, defect_again_s=0.1))
    await until(lambda: _is_settled(own), what="all are acknowledged")

    assert sorted(again) == [b"0", b"1", b"2"]
    assert "handler.failed" in [entry["event"] for entry in logs]


async def test_a_message_that_meets_a_defect_does_not_keep_the_others_of_its_batch(
    bus: Bus,
) -> None:
    """The handler dies of one of four: the other three are handled at once, and it comes later."""
    own = await OwnStream.make(bus)
    await own.fill(4)
    enough = asyncio.Event()
    done: list[bytes] = []

    async def handler(messages: Sequence[Delivery]) -> Sequence[HandlerOutcome]:
        if any(each.payload == b"2" for each in messages):
            raise ZeroDivisionError
        done.extend(each.payload for each in messages)
        if len(done) == 3:
            enough.set()
        return [Done()] * len(messages)

    await run(own, handler, enough)

    assert sorted(done) == [b"0", b"1", b"3"]
    await until(lambda: _is_left(own, 1), what="the three are acknowledged")


async def test_a_long_batch_keeps_its_messages(bus: Bus) -> None:
    """A batch that takes several times the acknowledgement wait is not given to another replica."""
    own = await OwnStream.make(bus, consumer={"ack_wait": 0.3})
    await own.fill(3)
    enough = asyncio.Event()
    deliveries: list[int] = []

    async def slow(messages: Sequence[Delivery]) -> Sequence[HandlerOutcome]:
        deliveries.extend(each.deliveries for each in messages)
        await asyncio.sleep(1.2)
        if len(deliveries) >= 3:
            enough.set()
        return [Done()] * len(messages)

    limits = replace(consumer.BATCH, progress_every_s=0.1)

    def replica() -> Awaitable[None]:
        return consumer.handle_batches(
            bus, own.name, own.consumer, slow, service="t", size=3, stopping=enough, limits=limits
        )

    await asyncio.wait_for(asyncio.gather(replica(), replica()), 10)
    await until(lambda: _is_settled(own), what="all are acknowledged")

    assert deliveries == [1, 1, 1]


async def test_a_batch_is_bounded_by_bytes_and_the_largest_message_comes_all_the_same(
    bus: Bus,
) -> None:
    """Messages of 300 KB come three at a time, and one of nearly the server's limit comes alone."""
    own = await OwnStream.make(bus)
    large = bus.max_payload - 1000
    for size in (300_000, 300_000, 300_000, 300_000, 300_000, large, 10):
        await bus.publish(f"{own.subject}.x", bytes(size))
    enough = asyncio.Event()
    batches: list[list[int]] = []

    async def handler(messages: Sequence[Delivery]) -> Sequence[HandlerOutcome]:
        batches.append([len(each.payload) for each in messages])
        if sum(map(len, batches)) == 7:
            enough.set()
        return [Done()] * len(messages)

    loop = consumer.handle_batches(
        bus,
        own.name,
        own.consumer,
        handler,
        service="t",
        size=200,
        stopping=enough,
        limits=replace(consumer.BATCH, most_bytes=1_000_000),
    )
    await asyncio.wait_for(loop, 20)

    assert [size for batch in batches for size in batch][5] == large
    assert max(map(sum, batches)) <= bus.max_payload + 64 * 1024, batches
