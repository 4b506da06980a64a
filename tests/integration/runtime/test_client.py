"""Habits of nats-py that are mended: a lost cancellation, and other servers' credentials."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from types import SimpleNamespace
from urllib.parse import urlparse

import pytest

from imagedrift_runtime.nats.bus import Bus
from imagedrift_runtime.nats.client import adopted, heeding_cancellation
from imagedrift_sandbox.nats import NatsServer
from support.nats_bus import OwnStream, opened

Call = Callable[[Bus, OwnStream], Awaitable[object]]


TURNS = 30
"""Turns of the loop after a reply has come; a call has ended before the last of them."""


class HeldLine:
    """A line to a server on which replies wait until they are let go."""

    def __init__(self, server: str) -> None:
        self._server = urlparse(server)
        self._may_pass = asyncio.Event()
        self._may_pass.set()
        self._waits = asyncio.Event()
        self._copying: list[asyncio.Task[None]] = []

    @asynccontextmanager
    async def serving(self) -> AsyncIterator[str]:
        """Accept clients; yields the address."""
        server = await asyncio.start_server(self._accept, "127.0.0.1", 0)
        try:
            async with server:
                yield f"nats://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        finally:
            for each in self._copying:
                each.cancel()

    def hold(self) -> None:
        """Let replies wait from now on."""
        self._waits.clear()
        self._may_pass.clear()

    async def let_go(self) -> None:
        """Wait for a reply, and pass it on."""
        await self._waits.wait()
        self._may_pass.set()

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        far_reader, far_writer = await asyncio.open_connection(
            self._server.hostname, self._server.port
        )
        self._copying += [
            asyncio.create_task(self._copy(reader, far_writer, asyncio.Event())),
            asyncio.create_task(self._copy(far_reader, writer, self._waits)),
        ]

    async def _copy(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, waits: asyncio.Event
    ) -> None:
        while data := await reader.read(65536):
            waits.set()
            if waits is self._waits:
                await self._may_pass.wait()
            writer.write(data)
        writer.close()


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
    """A call is cancelled in each turn of the loop after its reply came: it never goes on.

    `asyncio.wait_for` of Python 3.11 keeps such a cancellation to itself (cpython #86296).
    """
    line, were_in_time = HeldLine(nats_server.url), set()
    async with line.serving() as url, opened(url) as (bus, _):
        own = await OwnStream.make(bus)
        for turns in range(TURNS):
            line.hold()
            task = asyncio.ensure_future(call(bus, own))
            await line.let_go()
            for _turn in range(turns):
                await asyncio.sleep(0)
            was_in_time = task.cancel()
            await asyncio.wait({task})
            assert task.cancelled() == was_in_time
            were_in_time.add(was_in_time)
    assert were_in_time == {True, False}


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
    """A server that is told of is listed once, under a name that its certificate must have."""
    configured = server_of("tls://me:secret@one.example:4222", discovered=False)
    told = [
        server_of("tls://one.example:4222", discovered=True),
        server_of("tls://10.0.0.2:4222", discovered=True),
    ]
    first, second = adopted([configured, *told], configured.uri, keeps_name=True)
    assert first is configured
    assert second.uri.geturl() == "tls://me:secret@10.0.0.2:4222"
    assert second.tls_name == "one.example"
