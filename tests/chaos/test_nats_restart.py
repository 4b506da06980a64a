"""No message is lost when NATS is killed while messages are published and pulled."""

import asyncio
import time
from collections import Counter

from imagedrift_runtime.nats import consumer
from imagedrift_runtime.nats.bus import Bus, connect
from imagedrift_runtime.nats.delivery import Delivery
from imagedrift_runtime.nats.errors import NoBus, NotPublished
from imagedrift_runtime.nats.fetch import PullLimits
from imagedrift_runtime.nats.outcomes import Done, HandlerOutcome
from imagedrift_sandbox.nats import NatsServer
from support.nats_bus import OwnStream
from support.polling import until

MESSAGES = 2_000
PUBLISHERS = 16
KILLS_AT = (400, 1_200)
WITHIN_S = 20.0
ACK_WAIT_S = 2


async def publish_all(own: OwnStream, numbers: "asyncio.Queue[int]") -> None:
    """Publish each number again and again until NATS confirms it."""
    while not numbers.empty():
        number = numbers.get_nowait()
        payload = str(number).encode()
        while True:
            try:
                await own.bus.publish(f"{own.subject}.{number}", payload)
                break
            except NotPublished:
                await asyncio.sleep(0.05)


async def pull_all(bus: Bus, own: OwnStream, seen: Counter[int], stopping: asyncio.Event) -> None:
    """Handle messages as one replica, each for a millisecond."""

    async def handler(delivery: Delivery) -> HandlerOutcome:
        await asyncio.sleep(0.001)
        seen[int(delivery.payload)] += 1
        return Done()

    await consumer.handle_each(
        bus,
        own.name,
        own.consumer,
        handler,
        service="chaos",
        slots=32,
        stopping=stopping,
        limits=PullLimits(progress_every_s=ACK_WAIT_S / 3),
    )


async def kill_twice(server: NatsServer, seen: Counter[int]) -> None:
    """Kill and restart the server after each of these numbers of messages."""
    for count in KILLS_AT:
        await until(lambda: len(seen) >= count, what=f"{count} messages", within_s=WITHIN_S)  # noqa: B023
        server.kill()
        await server.restart()


async def test_nothing_is_lost_when_nats_is_killed_twice(fresh_nats: NatsServer) -> None:
    """Every published message is handled, and few of them twice, when NATS is killed twice."""
    numbers: asyncio.Queue[int] = asyncio.Queue()
    for number in range(MESSAGES):
        numbers.put_nowait(number)
    seen: Counter[int] = Counter()
    stopping = asyncio.Event()
    began = time.monotonic()

    async with (
        connect([fresh_nats.url], "publisher") as publisher,
        connect([fresh_nats.url], "first") as first,
        connect([fresh_nats.url], "second") as second,
    ):
        own = await OwnStream.make(publisher, consumer={"ack_wait": ACK_WAIT_S})
        async with asyncio.TaskGroup() as tasks:
            for bus in (first, second):
                tasks.create_task(pull_all(bus, own, seen, stopping))
            tasks.create_task(kill_twice(fresh_nats, seen))
            for _ in range(PUBLISHERS):
                tasks.create_task(publish_all(own, numbers))
            await until(lambda: len(seen) == MESSAGES, what="every message", within_s=WITHIN_S)
            await until(
                lambda: _is_all_acknowledged(own), what="all acknowledged", within_s=WITHIN_S
            )
            stopping.set()

    assert set(seen) == set(range(MESSAGES))
    assert seen.total() < 2 * MESSAGES, "a few come again, not all"
    assert time.monotonic() - began < WITHIN_S


async def _is_all_acknowledged(own: OwnStream) -> bool:
    try:
        return (await own.waiting(), await own.in_flight()) == (0, 0)
    except NoBus:  # it is away
        return False
