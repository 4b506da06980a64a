"""The connection to NATS: found dead, brought back, and closed without noise."""

import asyncio
import logging
import time
from typing import Any

import pytest
import structlog

from imagedrift_runtime.health import Health
from imagedrift_runtime.nats import consumer
from imagedrift_runtime.nats.bus import Bus, connect
from imagedrift_runtime.nats.delivery import Delivery
from imagedrift_runtime.nats.errors import NoBus
from imagedrift_runtime.nats.outcomes import Done, HandlerOutcome
from imagedrift_runtime.nats.results import Stored
from imagedrift_sandbox.free_port import free_port
from imagedrift_sandbox.nats import NatsServer
from support.nats_bus import OwnStream, end_read_loop, end_reconnection, opened, send_away
from support.polling import until


async def test_a_dead_address_fails_within_the_bound() -> None:
    """Nothing listens: that is told in the bound, with the address, and without its password."""
    began = time.monotonic()

    with pytest.raises(
        NoBus, match=r"no NATS at nats://\*\*\*@127\.0\.0\.1:\d+: no answer in time \(.*111"
    ) as error:
        async with connect([f"nats://me:pw@127.0.0.1:{free_port()}"], "test", within_s=0.7):
            pass

    assert time.monotonic() - began < 3
    assert "pw" not in str(error.value)


async def test_a_wrong_password_fails_with_the_servers_words() -> None:
    """A client that is not let in learns why."""
    async with NatsServer.start(config_extra="authorization { user: a, password: a }") as server:
        with pytest.raises(
            NoBus, match=r"(?i)authorization violation.*does not know this user with"
        ):
            async with connect([server.url], "test", within_s=2):
                pass


async def test_credentials_that_are_missing_fail_with_their_path(nats_server: NatsServer) -> None:
    """A credentials file that is not there is named, not waited for."""
    async with NatsServer.start(config_extra="authorization { user: a, password: a }") as server:
        with pytest.raises(NoBus, match="no NATS at"):
            async with connect([server.url], "test", credentials="/no/such.creds", within_s=1):
                pass


@pytest.mark.parametrize("loops", [0, 2])
async def test_closing_is_quick_and_quiet(
    nats_server: NatsServer, caplog: pytest.LogCaptureFixture, loops: int
) -> None:
    """After pull loops have ended, leaving takes no time and reports nothing."""
    unhandled: list[dict[str, object]] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: unhandled.append(context))
    health = Health()
    stopping = asyncio.Event()
    with structlog.testing.capture_logs() as logs, caplog.at_level(logging.WARNING):
        async with connect([nats_server.url], "test", health=health) as bus:
            await bus.listen("t.listened", _ignore)
            running = [await _loop(bus, stopping) for _ in range(loops)]
            stopping.set()
            await asyncio.gather(*running)
            began = time.monotonic()
        took = time.monotonic() - began
        await asyncio.sleep(0)

    assert took < 2, "nats' own drain would take five seconds"
    assert logs == []
    assert caplog.records == []
    assert unhandled == []
    assert health.parts()["nats"].ready, "a close of ours is no failure"


async def _ignore(subject: str, payload: bytes) -> None:
    """Take a message and do nothing."""


async def _loop(bus: Bus, stopping: asyncio.Event) -> "asyncio.Task[None]":
    own = await OwnStream.make(bus)
    handled = asyncio.Event()

    async def handler(delivery: Delivery) -> HandlerOutcome:
        handled.set()
        return Done()

    loop = consumer.handle_each(
        bus, own.name, own.consumer, handler, service="t", slots=4, stopping=stopping
    )
    task = asyncio.create_task(loop)
    await own.fill(1)
    await asyncio.wait_for(handled.wait(), 5)
    return task


async def test_closing_while_disconnected_is_quick(fresh_nats: NatsServer) -> None:
    """A server that is gone does not hold up the end."""
    async with connect([fresh_nats.url], "test") as bus:
        fresh_nats.kill()
        await until(lambda: not bus.server, what="the client saw the end")
        began = time.monotonic()

    assert time.monotonic() - began < 3


class RaisingHealth(Health):
    """A health whose every report fails."""

    def ready(self, part: str) -> None:
        """Fail."""
        raise RuntimeError("planted")

    def failed(self, part: str, reason: str) -> None:
        """Fail."""
        raise RuntimeError("planted")


async def test_a_callback_that_raises_does_not_stop_reconnecting(fresh_nats: NatsServer) -> None:
    """The client comes back, even if all our callbacks fail (nats.py #204)."""
    health = Health()
    async with opened(fresh_nats.url, health=health) as (bus, connection):
        connection.health = RaisingHealth()
        fresh_nats.kill()
        await until(lambda: not bus.server, what="the client saw the end")
        await fresh_nats.restart()
        await until(lambda: bus.server, what="reconnected")
        connection.health = health

        assert await bus.publish((await OwnStream.make(bus)).subject + ".a", b"x") == Stored(1)


async def test_the_end_of_the_server_shows_in_health_and_is_over(fresh_nats: NatsServer) -> None:
    """Health tells of the lost server while it is gone, and no longer."""
    health = Health(["nats"])
    async with connect([fresh_nats.url], "test", health=health):
        assert health.is_ready
        fresh_nats.kill()
        await until(lambda: not health.is_ready, what="health fails")
        reason = health.parts()["nats"].reason
        await fresh_nats.restart()
        await until(lambda: health.is_ready, what="health is back")

    assert reason == "disconnected"


async def test_a_zombie_is_found_told_and_replaced(nats_server: NatsServer) -> None:
    """A client whose read loop has ended says that it is connected: the probe knows better."""
    health = Health(["nats"])
    heard = asyncio.Event()

    async def hear(subject: str, payload: bytes) -> None:
        heard.set()

    async with opened(nats_server.url, health=health, probe_every_s=0.1, call_within_s=0.2) as (
        bus,
        connection,
    ):
        await bus.listen("t.zombie", hear)
        zombie = connection.client
        end_read_loop(zombie)
        await until(lambda: not health.is_ready, what="health tells of it")
        assert zombie.is_connected, "nats-py itself does not know"
        reason = health.parts()["nats"].reason
        await until(lambda: health.is_ready, what="health is back")

        assert connection.client is not zombie
        assert await bus.publish((await OwnStream.make(bus)).subject + ".a", b"x") == Stored(1)
        await bus.say("t.zombie", b"")
        await asyncio.wait_for(heard.wait(), 5)
    assert "does not answer" in reason


async def test_a_late_answer_to_a_probe_ends_nothing(fresh_nats: NatsServer) -> None:
    """A server that hangs for a moment is not taken for lost, and its late answer does no harm.

    nats-py's own time-out on a ping leaves a cancelled future, and the late answer to that ends
    its read loop.
    """
    async with opened(fresh_nats.url, probe_every_s=60, call_within_s=0.2) as (bus, connection):
        fresh_nats.pause()
        try:
            await until(lambda: _probe_fails(bus), what="the server hangs")
        finally:
            fresh_nats.resume()
        connection.call_within_s = 5
        await bus.probe()
        await bus.probe()

        assert await bus.publish((await OwnStream.make(bus)).subject + ".a", b"x") == Stored(1)


async def test_probes_of_a_lost_connection_are_forgotten(fresh_nats: NatsServer) -> None:
    """Answers to probes of a lost connection cannot come any more: none is kept for ever."""
    async with opened(fresh_nats.url, probe_every_s=60, call_within_s=0.2) as (bus, _):
        fresh_nats.pause()
        await until(lambda: _probe_fails(bus), what="the server hangs")
        assert _probes()
        fresh_nats.kill()
        await until(lambda: not bus.server, what="the client saw the end")
        await fresh_nats.restart()
        await until(lambda: bus.server, what="reconnected")

        await until(lambda: not _probes(), what="they are forgotten")


def _probes() -> list["asyncio.Task[Any]"]:
    return [
        task for task in asyncio.all_tasks() if "rtt" in getattr(task.get_coro(), "__name__", "")
    ]


async def _probe_fails(bus: Bus) -> bool:
    try:
        await bus.probe()
    except NoBus as error:
        return "nothing came back" in str(error)
    return False


async def test_a_client_that_was_closed_for_good_is_replaced(nats_server: NatsServer) -> None:
    """nats-py gives up on an error of the server such as an expired user: we do not."""
    health = Health(["nats"])
    async with opened(nats_server.url, health=health, probe_every_s=0.1) as (bus, connection):
        given_up = connection.client
        await send_away(given_up, "User Authentication Expired")
        await until(lambda: given_up.is_closed, what="nats-py has given up")
        await until(lambda: not health.is_ready, what="health tells of it")
        assert "Expired" in health.parts()["nats"].reason
        await until(lambda: health.is_ready, what="health is back")

        assert await bus.publish((await OwnStream.make(bus)).subject + ".a", b"x") == Stored(1)


async def test_a_reconnection_that_died_is_replaced(fresh_nats: NatsServer) -> None:
    """A client that says that it reconnects, though nothing in it does, is given up."""
    async with opened(fresh_nats.url, probe_every_s=0.1, call_within_s=0.2) as (bus, connection):
        fresh_nats.kill()
        await until(lambda: connection.client.is_reconnecting, what="the client saw the end")
        dead = connection.client
        end_reconnection(dead)
        await fresh_nats.restart()
        await until(lambda: connection.client is not dead, what="it is replaced")
        await until(lambda: connection.client.is_connected, what="the new one is connected")

        assert await bus.publish((await OwnStream.make(bus)).subject + ".a", b"x") == Stored(1)
