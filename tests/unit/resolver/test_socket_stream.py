"""Our end of a connection: reads of any size, back-pressure, and a look before a reuse."""

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from imagedrift_resolver.adapters.request_failed import RequestFailed
from imagedrift_resolver.adapters.socket_stream import PAUSE_AT, SocketStream
from support.polling import until


@asynccontextmanager
async def connected() -> AsyncIterator[tuple[SocketStream, socket.socket]]:
    """A stream, and the socket at the other end."""
    near, far = socket.socketpair()
    far.setblocking(False)
    loop = asyncio.get_running_loop()
    _, stream = await loop.create_connection(SocketStream, sock=near)
    try:
        yield stream, far
    finally:
        stream.close()
        far.close()


async def test_what_came_is_read_at_once_and_the_end_is_empty() -> None:
    """A read waits for data when there is none yet."""
    async with connected() as (stream, far):
        reading = asyncio.create_task(stream.read())
        far.send(b"ab")
        assert await reading == b"ab"
        far.close()
        assert await stream.read() == b""


async def test_a_peer_is_slowed_down_while_it_is_not_read() -> None:
    """Unread data is bounded, and reading goes on after it was taken."""
    async with connected() as (stream, far):
        loop = asyncio.get_running_loop()
        sent = 4 * PAUSE_AT
        sending = asyncio.create_task(loop.sock_sendall(far, b"x" * sent))
        await until(lambda: len(stream.unread) > PAUSE_AT, what="the peer is slowed down")
        assert not sending.done()
        assert len(stream.unread) <= 2 * PAUSE_AT
        got = 0
        while got < sent:
            got += len(await stream.read())
        await sending
    assert got == sent


async def test_data_or_an_end_shows_before_a_connection_is_used_again() -> None:
    """Data that is still in the kernel shows, too."""
    async with connected() as (stream, far):
        shown = [stream.is_readable]
        far.send(b"x")
        shown.append(stream.is_readable)
        assert await stream.read() == b"x"
        shown.append(stream.is_readable)
        far.close()
        shown.append(stream.is_readable)
    assert shown == [False, True, False, True]


async def test_nothing_is_written_to_a_connection_that_has_ended() -> None:
    """The fault says so; it is none of the request's."""
    async with connected() as (stream, far):
        stream.write(b"x")
        far.close()
        await until(lambda: stream.has_ended, what="the end has come")
        with pytest.raises(RequestFailed, match="has ended"):
            stream.write(b"y")
