"""A connection has to send its requests in time; one that is answered may last."""

import asyncio
import socket
from collections.abc import AsyncIterator
from typing import Any, ClassVar

import pytest

from imagedrift_dashboard.adapters import http_server
from imagedrift_dashboard.adapters.http_connection import BoundedConnection
from support.polling import until

MUCH = 8 * 1024 * 1024
"""Bytes: more than the system keeps for who does not read."""
REQUEST = b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n"


class HastyConnection(BoundedConnection):
    """A connection whose bound a test can wait for."""

    request_within_s = 0.2
    taken_within_s = 0.2
    opened: ClassVar[set[object]] = set()

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Note that it is there."""
        super().connection_made(transport)
        self.opened.add(self)

    def connection_lost(self, exc: Exception | None) -> None:
        """Note that it has gone."""
        super().connection_lost(exc)
        self.opened.discard(self)


class SlowPages:
    """An application that responds when the test says so."""

    def __init__(self) -> None:
        self.may_respond = asyncio.Event()
        self.body = b"ok"
        self.is_endless = False

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Respond, to the end or until the client has gone."""
        await self.may_respond.wait()
        length = [(b"content-length", str(len(self.body)).encode())] * (not self.is_endless)
        await send({"type": "http.response.start", "status": 200, "headers": length})
        part = {"type": "http.response.body", "body": self.body, "more_body": self.is_endless}
        await send(part)
        if self.is_endless:
            await receive()  # the request
            gone = asyncio.ensure_future(receive())
            while not gone.done():
                await send(part)


@pytest.fixture
async def pages() -> SlowPages:
    """The application."""
    return SlowPages()


@pytest.fixture
async def port(pages: SlowPages) -> AsyncIterator[int]:
    """The port of a server of it."""
    stopping = asyncio.Event()
    with http_server.listening_on("127.0.0.1", 0) as listening:
        port: int = listening.getsockname()[1]
        serving = http_server.serve(pages, listening, stopping, HastyConnection)
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(serving)
            yield port
            stopping.set()


@pytest.mark.parametrize("sent", [b"", REQUEST[:20], b"POST / HTTP/1.1\r\nContent-Length: 9\r\n"])
async def test_a_connection_without_a_whole_request_is_closed(port: int, sent: bytes) -> None:
    """Nothing, or a part of a request, keeps no connection open."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(sent)
    async with asyncio.timeout(5):
        assert await reader.read() == b""
    writer.close()


async def test_half_a_request_after_a_response_is_closed(port: int, pages: SlowPages) -> None:
    """The bound holds for every request of a connection."""
    pages.may_respond.set()
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(REQUEST)
    assert await reader.readuntil(b"ok")
    writer.write(REQUEST[:20])
    async with asyncio.timeout(3):
        assert await reader.read() == b""
    writer.close()


async def test_a_response_may_take_longer(port: int, pages: SlowPages) -> None:
    """The bound is for requests alone: who waits for a response keeps its connection."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(REQUEST)
    asyncio.get_running_loop().call_later(
        2 * HastyConnection.request_within_s, pages.may_respond.set
    )
    async with asyncio.timeout(5):
        assert (await reader.readuntil(b"ok")).startswith(b"HTTP/1.1 200")
    writer.close()


@pytest.mark.parametrize("is_endless", [False, True])
async def test_a_client_that_takes_nothing_is_let_go(
    port: int, pages: SlowPages, is_endless: bool
) -> None:
    """A response that nobody takes, whole or without an end, keeps no connection open."""
    pages.body, pages.is_endless = b"x" * MUCH, is_endless
    pages.may_respond.set()
    with socket.create_connection(("127.0.0.1", port)) as client:
        client.sendall(REQUEST)
        await until(lambda: HastyConnection.opened, "the connection is there")
        await until(lambda: not HastyConnection.opened, "the connection is let go")


async def test_a_client_that_takes_slowly_gets_all(port: int, pages: SlowPages) -> None:
    """A response may take longer than the bound, as long as the client goes on."""
    pages.body = b"x" * MUCH
    pages.may_respond.set()
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(REQUEST)
    taken = 0
    async with asyncio.timeout(20):
        while part := await reader.read(MUCH):
            taken += len(part)
            await asyncio.sleep(HastyConnection.taken_within_s / 20)
    assert taken > MUCH
    writer.close()


async def test_a_server_that_ends_by_itself_is_an_error(pages: SlowPages) -> None:
    """A server that cannot go on does not wait to be stopped."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as listening:
        listening.bind(("127.0.0.1", 0))
        async with asyncio.timeout(5):
            with pytest.raises(ValueError, match="Stream Socket"):
                await http_server.serve(pages, listening, asyncio.Event())
