"""Habits of nats-py that are mended: a lost cancellation, and other servers' credentials."""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from types import SimpleNamespace
from typing import Any
from urllib.parse import urlparse

import pytest

from imagedrift_runtime.nats.bus import Bus
from imagedrift_runtime.nats.client import adopted, heeding_cancellation
from imagedrift_sandbox.nats import NatsServer
from support.nats_bus import OwnStream, opened

Call = Callable[[Bus, OwnStream], Awaitable[object]]


class CancelledWithTheReply(dict[str, "asyncio.Future[Any]"]):
    """Awaited replies, by token: whoever awaits one is cancelled in the moment it comes."""

    def __setitem__(self, token: str, reply: "asyncio.Future[Any]") -> None:
        """Await a reply."""
        super().__setitem__(token, reply)
        if task := asyncio.current_task():
            reply.add_done_callback(lambda _: task.cancel())


@pytest.mark.parametrize(
    "call",
    [
        pytest.param(lambda bus, own: bus.publish(f"{own.subject}.a", b"x"), id="stored"),
        pytest.param(lambda bus, _: bus.publish("nowhere.at.all", b"x"), id="refused"),
        pytest.param(lambda bus, own: bus.lag(own.name, own.consumer), id="managed"),
        pytest.param(lambda bus, _: bus.request("nobody.serves.it", b""), id="asked"),
    ],
)
async def test_a_cancellation_that_comes_with_the_reply_is_heeded(
    nats_server: NatsServer, call: Call
) -> None:
    """`asyncio.wait_for` of Python 3.11 keeps it to itself (cpython #86296)."""
    went_on = False
    async with opened(nats_server.url) as (bus, connection):
        own = await OwnStream.make(bus)
        await bus.lag(own.name, own.consumer)  # from now on replies have their place

        async def caller() -> None:
            nonlocal went_on
            await call(bus, own)
            went_on = True

        # nats-py has no other place where a reply shows in the moment that it comes.
        connection.client._resp_map = CancelledWithTheReply()  # noqa: SLF001
        task = asyncio.create_task(caller())
        await asyncio.wait({task})

    assert task.cancelled()
    assert not went_on


async def test_what_is_done_after_a_cancellation_is_done(bus: Bus) -> None:
    """A task that tidies up when it was cancelled can still speak to NATS."""
    own = await OwnStream.make(bus)
    tidied: list[object] = []

    async def caller() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            tidied.append(await bus.publish(f"{own.subject}.a", b"x"))
            tidied.append(await bus.lag(own.name, own.consumer))

    task = asyncio.create_task(caller())
    await asyncio.sleep(0)
    task.cancel()
    await asyncio.wait({task})

    assert len(tidied) == 2


async def test_a_time_limit_that_a_library_keeps_to_itself_is_a_time_out() -> None:
    """A time limit cancels, too: it ends as the time-out that it is."""

    async def kept() -> None:
        async with asyncio.timeout(0.01):
            with heeding_cancellation(), suppress(asyncio.CancelledError):
                await asyncio.Event().wait()

    with pytest.raises(TimeoutError):
        await kept()


def server_of(url: str, *, discovered: bool) -> SimpleNamespace:
    """A server of nats-py's pool."""
    return SimpleNamespace(uri=urlparse(url), discovered=discovered, tls_name=None)


def test_a_server_that_another_one_tells_of_is_asked_with_its_credentials() -> None:
    """It is listed once, under a name that its certificate must have."""
    configured = server_of("tls://me:secret@one.example:4222", discovered=False)
    told = [
        server_of("tls://one.example:4222", discovered=True),
        server_of("tls://10.0.0.2:4222", discovered=True),
    ]
    first, second = adopted([configured, *told], configured.uri, keeps_name=True)
    assert first is configured
    assert second.uri.geturl() == "tls://me:secret@10.0.0.2:4222"
    assert second.tls_name == "one.example"
