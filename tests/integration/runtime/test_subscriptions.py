"""Listeners and services: one after another, to their end, and on every new client."""

import asyncio

import structlog

from imagedrift_runtime.nats.bus import Bus, connect
from imagedrift_runtime.nats.errors import NoAnswer
from imagedrift_runtime.nats.subscriptions import MOST_WAITING_BYTES
from imagedrift_sandbox.nats import NatsServer
from support.nats_bus import end_read_loop, opened
from support.polling import until


async def test_listeners_finish_what_they_hold(bus: Bus, nats_server: NatsServer) -> None:
    """A message that was taken is handled to its end before the connection closes."""
    began, ended = asyncio.Event(), asyncio.Event()

    async def slow(subject: str, payload: bytes) -> None:
        began.set()
        await asyncio.sleep(0.1)
        ended.set()

    async with connect([nats_server.url], "other") as other:
        await other.listen("t.slow", slow)
        await other.flush()
        await bus.say("t.slow", b"")
        await asyncio.wait_for(began.wait(), 5)

    assert ended.is_set()


async def test_a_listener_that_raises_hears_the_next_message(bus: Bus) -> None:
    """A defect in a listener is logged and ends nothing."""
    heard: list[bytes] = []

    async def fragile(subject: str, payload: bytes) -> None:
        heard.append(payload)
        if payload == b"bad":
            raise ValueError("planted")

    await bus.listen("t.fragile", fragile)
    with structlog.testing.capture_logs() as logs:
        for payload in (b"bad", b"good"):
            await bus.say("t.fragile", payload)
        await until(lambda: len(heard) == 2, what="both were heard")

    assert heard == [b"bad", b"good"]
    assert [entry["event"] for entry in logs] == ["message.failed"]


async def test_messages_that_wait_for_a_listener_are_bounded_in_bytes(bus: Bus) -> None:
    """A flood that a listener does not keep up with is dropped, and it hears what comes later."""
    heard: list[bytes] = []
    taken, go_on = asyncio.Event(), asyncio.Event()

    async def slow(subject: str, payload: bytes) -> None:
        heard.append(payload[:1])
        taken.set()
        await go_on.wait()

    await bus.listen("t.flood", slow)
    await bus.say("t.flood", b"a")
    await taken.wait()
    for _ in range(60):
        await bus.say("t.flood", b"b" * 1_000_000)
        await bus.flush()
    go_on.set()
    await until(lambda: len(heard) > 1, what="it goes on")
    await bus.say("t.flood", b"c")
    await until(lambda: heard[-1] == b"c", what="the last one is heard")

    assert 10 < heard.count(b"b") < 1.2 * MOST_WAITING_BYTES // 1_000_000


async def test_a_request_after_a_replacement_is_answered(nats_server: NatsServer) -> None:
    """Services that we offer are offered by the new client too."""
    async with opened(nats_server.url, probe_every_s=0.1, call_within_s=0.2) as (bus, connection):
        await bus.serve("echo", "1.0.0", "says it back", "echo", "t.echo", _echo)
        old = connection.client
        end_read_loop(old)
        await until(
            lambda: connection.client is not old and connection.client.is_connected, what="replaced"
        )
        await until(lambda: _says_it_back(bus), what="the service is back")


async def _says_it_back(bus: Bus) -> bool:
    try:
        return await bus.request("t.echo", b"hello") == b"hello"
    except NoAnswer:
        return False


async def _echo(payload: bytes) -> bytes:
    return payload
