"""Fetching: what is wrong is said, nothing spins, and nothing is kept from others."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import structlog

from imagedrift_runtime.health import Health
from imagedrift_runtime.nats import consumer, fetch
from imagedrift_runtime.nats.bus import Bus, connect
from imagedrift_runtime.nats.delivery import Delivery
from imagedrift_runtime.nats.outcomes import Done, HandlerOutcome
from imagedrift_sandbox.nats import NatsServer
from support.nats_bus import OwnStream, end_read_loop, opened
from support.nats_client import jetstream
from support.polling import until

V2 = "feature_flags { js_ack_fc_v2: true }"


@asynccontextmanager
async def pulling(
    bus: Bus, stream: str, durable: str, within_s: float = 5.0
) -> AsyncIterator[list[Delivery]]:
    """Run a loop for the length of the context; gives what was delivered."""
    seen: list[Delivery] = []
    stopping = asyncio.Event()

    async def handler(delivery: Delivery) -> HandlerOutcome:
        seen.append(delivery)
        return Done()

    loop = consumer.handle_each(
        bus,
        stream,
        durable,
        handler,
        service="t",
        slots=4,
        stopping=stopping,
        limits=fetch.PullLimits(within_s=within_s),
    )
    task = asyncio.create_task(loop)
    try:
        yield seen
        stopping.set()
        await asyncio.wait_for(task, 5)
    finally:
        task.cancel()


async def test_a_missing_consumer_is_told_with_the_remedy_until_it_is_there(
    nats_server: NatsServer,
) -> None:
    """Health names what is missing and what to run; the loop goes on once it exists."""
    health = Health()
    async with connect([nats_server.url], "test", health=health) as bus:
        own = await OwnStream.make(bus)
        await jetstream(bus).delete_consumer(own.name, own.consumer)
        part = f"{own.name}/{own.consumer}"
        with structlog.testing.capture_logs() as logs:
            async with pulling(bus, own.name, own.consumer) as seen:
                await until(lambda: part in health.parts(), what="it is told")
                told = health.parts()[part]
                await own.make_consumer()
                await own.fill(1)
                await until(lambda: seen, what="the loop goes on")
                assert health.parts()[part].ready

    assert not told.ready
    assert "consumer not found: run `imagedrift streams`" in told.reason
    assert [entry["event"] for entry in logs][-1] == "fetch.recovered"


async def test_a_missing_stream_is_told_with_the_remedy(nats_server: NatsServer) -> None:
    """The same for a stream that nobody has made."""
    health = Health()
    async with (
        connect([nats_server.url], "test", health=health) as bus,
        pulling(bus, "T_NONE", "worker"),
    ):
        await until(lambda: "T_NONE/worker" in health.parts(), what="it is told")

    assert "stream not found: run `imagedrift streams`" in health.parts()["T_NONE/worker"].reason


async def test_a_consumer_deleted_under_a_waiting_fetch_is_told(
    nats_server: NatsServer,
) -> None:
    """The fetch that waits just ends; the next one tells."""
    health = Health()
    async with connect([nats_server.url], "test", health=health) as bus:
        own = await OwnStream.make(bus)
        await own.fill(1)
        async with pulling(bus, own.name, own.consumer, within_s=0.5) as seen:
            await until(lambda: seen, what="it works")
            await jetstream(bus).delete_consumer(own.name, own.consumer)
            await until(lambda: not health.is_ready, what="it is told")


async def test_without_jetstream_fetching_backs_off() -> None:
    """A server that has no JetStream is asked a few times a second at most, and named."""
    health = Health()
    async with (
        NatsServer.start(config_extra="jetstream: disabled") as server,
        connect([server.url], "test", health=health) as bus,
    ):
        with structlog.testing.capture_logs() as logs:
            async with pulling(bus, "S", "c"):
                began = time.monotonic()
                await until(lambda: len(logs) >= 3, what="three failures")
                took = time.monotonic() - began

    failures = [entry for entry in logs if entry["event"] == "fetch.failed"]
    assert took > 0.15, "two waits of at least 0.1 s lie between three failures"
    assert len(failures) <= 4
    assert "JetStream" in health.parts()["S/c"].reason


async def test_a_refused_permission_to_fetch_is_no_idleness() -> None:
    """A client that may not pull hears so, and does not look idle."""
    health = Health()
    user = (
        '{ user: a, password: a, permissions: { publish: { deny: ["$JS.API.CONSUMER.MSG.>"] } } }'
    )
    async with NatsServer.start(config_extra=f"authorization {{ users: [ {user} ] }}") as server:
        url = server.url.replace("//", "//a:a@")
        async with opened(url, health=health) as (bus, connection):
            own = await OwnStream.make(bus, js=connection.js)
            async with pulling(bus, own.name, own.consumer, within_s=0.3):
                await until(lambda: not health.is_ready, what="it is told")
                reason = health.parts()[f"{own.name}/{own.consumer}"].reason

    assert "permissions violation" in reason


async def test_what_was_delivered_and_not_begun_is_given_back(bus: Bus) -> None:
    """A replica that stops leaves nothing in flight: another one gets it at once."""
    own = await OwnStream.make(bus)
    await own.fill(1)
    async with fetch.fetching(bus, own.name, own.consumer, asyncio.Event()) as fetched:
        assert len(await fetched(3)) == 1, "it asked for three, and one was there"
        for name in ("b", "c"):
            await bus.publish(f"{own.subject}.{name}", b"")
        await until(lambda: _has_in_flight(own, 3), what="the others are delivered")
        await bus.probe()  # the server sends in order: now they are here

    async with pulling(bus, own.name, own.consumer) as seen:
        await until(lambda: len(seen) == 2, what="the two that were not begun")

    assert [each.deliveries for each in seen] == [2, 2]


async def _has_in_flight(own: OwnStream, count: int) -> bool:
    return await own.in_flight() == count


async def test_leaving_ends_the_subscription(bus: Bus) -> None:
    """No inbox is left behind: nats' own drain would wait for it."""
    own = await OwnStream.make(bus)
    async with pulling(bus, own.name, own.consumer) as seen:
        await own.fill(1)
        await until(lambda: seen, what="it works")
        assert (await bus.lag(own.name, own.consumer)).waiting == 1

    async def is_left() -> bool:
        return (await bus.lag(own.name, own.consumer)).waiting == 0

    await until(is_left, what="no request is standing")


async def test_version_2_replies_are_named_once_and_served_all_the_same() -> None:
    """A server whose flags are not pinned is told apart by its first message."""
    async with NatsServer.start(config_extra=V2) as server, connect([server.url], "test") as bus:
        own = await OwnStream.make(bus)
        await own.fill(3)
        with structlog.testing.capture_logs() as logs:
            async with pulling(bus, own.name, own.consumer) as seen:
                await until(lambda: len(seen) == 3, what="all are served")

    errors = [entry for entry in logs if entry["event"] == "server.unpinned"]
    assert len(errors) == 1
    assert "js_ack_fc_v2: false" in errors[0]["error"]


async def test_a_loop_goes_on_with_the_client_that_replaces_a_lost_one(
    nats_server: NatsServer,
) -> None:
    """The loop that pulled through a zombie pulls through its successor."""
    async with opened(nats_server.url, probe_every_s=0.1, call_within_s=0.2) as (bus, connection):
        own = await OwnStream.make(bus)
        async with pulling(bus, own.name, own.consumer) as seen:
            await own.fill(1)
            await until(lambda: seen, what="it works")
            zombie = connection.client
            end_read_loop(zombie)
            await until(lambda: connection.client is not zombie, what="it is replaced")
            await until(lambda: connection.client.is_connected, what="the new one is connected")
            await own.fill(1)
            await until(lambda: len(seen) == 2, what="it goes on")


async def test_a_stream_that_is_made_anew_with_other_settings_is_read_on(bus: Bus) -> None:
    """Deleted under a loop that waits: its messages come as soon as there is one again."""
    own = await OwnStream.make(bus)
    await own.fill(1)
    async with pulling(bus, own.name, own.consumer) as seen:
        await until(lambda: seen, what="it works")
        await own.delete()
        await jetstream(bus).add_stream(
            name=own.name, subjects=[f"{own.subject}.>"], storage="memory", max_msgs_per_subject=2
        )
        await own.make_consumer(ack_wait=5)
        await own.fill(3)
        await until(lambda: len(seen) == 4, what="it goes on", within_s=15)
