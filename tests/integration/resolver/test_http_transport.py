"""Connections that are kept and used again: what becomes of one that its server ends."""

import asyncio
import ssl
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from imagedrift_resolver.adapters.http_client import MOST_PIECES
from imagedrift_resolver.adapters.http_transport import MOST_ORIGINS
from imagedrift_resolver.adapters.routes import ConnectionRoute
from imagedrift_resolver.core.reply import NoResponse, Reply
from imagedrift_resolver.core.url import parse_url
from support.dialing import http_client
from support.polling import until

GOOD = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"

CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"


class Server:
    """Says what it is told to, one thing a request; nothing at all ends the connection."""

    def __init__(self, *sayings: bytes) -> None:
        self.sayings = list(sayings)
        self.connections = 0
        self.requests: list[bytes] = []
        self.port = 0

    @asynccontextmanager
    async def serving(self) -> AsyncIterator[None]:
        """Serve while the context lasts."""
        server = await asyncio.start_server(self._accept, "127.0.0.1", 0)
        self.port = server.sockets[0].getsockname()[1]
        async with server:
            yield

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        while head := await _head(reader):
            self.requests.append(head)
            saying = self.sayings.pop(0)
            writer.write(saying)
            if not saying.endswith(b"ok"):
                break
        writer.close()


async def _head(reader: asyncio.StreamReader) -> bytes:
    try:
        return await reader.readuntil(b"\r\n\r\n")
    except asyncio.IncompleteReadError:
        return b""


async def send_all(server: Server, *methods: str, cap: int = 9) -> list[Reply | NoResponse]:
    """Make requests, one after the other."""
    http = http_client(lambda *_: ConnectionRoute(ssl.create_default_context()))
    url = parse_url(f"http://127.0.0.1:{server.port}/v2/")
    try:
        return [
            await http.send(method, url, [("Host", url.authority)], cap=cap, trusted=True)
            for method in methods
        ]
    finally:
        await http.close()


async def test_a_connection_is_used_again() -> None:
    """A connection is used again for the next question."""
    server = Server(GOOD, GOOD)
    async with server.serving():
        replies = await send_all(server, "GET", "GET")
    assert [type(reply) for reply in replies] == [Reply, Reply]
    assert server.connections == 1


async def test_a_kept_connection_that_its_server_ends_at_that_moment_costs_no_answer() -> None:
    """A request on a connection that closes at that time is repeated (RFC 9112, 9.3.1)."""
    server = Server(GOOD, b"", GOOD)
    async with server.serving():
        replies = await send_all(server, "GET", "GET")
    assert [type(reply) for reply in replies] == [Reply, Reply]
    assert server.connections == 2


@pytest.mark.parametrize("saying", [b"", b"HTTP/1.1 200 O"])
async def test_a_new_connection_that_ends_is_told(saying: bytes) -> None:
    """A new connection that closes is an error, without another try."""
    server = Server(saying, GOOD)
    async with server.serving():
        [failure] = await send_all(server, "GET")
    assert isinstance(failure, NoResponse)
    assert server.connections == 1


async def test_what_may_have_been_heard_is_not_said_again() -> None:
    """A POST, or a request with half a response, is not repeated."""
    for second, saying in (("GET", b"HTTP/1.1 200 O"), ("POST", b"")):
        server = Server(GOOD, saying, GOOD)
        async with server.serving():
            replies = await send_all(server, "GET", second)
        assert [type(reply) for reply in replies] == [Reply, NoResponse]
        assert len(server.requests) == 2


async def test_a_body_in_crumbs_holds_up_nobody() -> None:
    """A body of tiny chunks delays no other request and is abandoned."""
    server = Server(CHUNKED + b"1\r\nx\r\n" * (3 * MOST_PIECES))
    turns = 0

    async def others() -> None:
        nonlocal turns
        while True:
            await asyncio.sleep(0)
            turns += 1

    async with server.serving():
        at_work = asyncio.create_task(others())
        [reply] = await send_all(server, "GET", cap=4 * MOST_PIECES)
        at_work.cancel()
    assert isinstance(reply, Reply)
    assert reply.cut
    assert len(reply.body) <= MOST_PIECES + 1
    assert turns >= MOST_PIECES / 200


async def test_a_body_in_pieces_is_read_whole() -> None:
    """A body in chunks is read as a whole."""
    chunk = b"100\r\n" + b"x" * 256 + b"\r\n"
    server = Server(CHUNKED + 4 * chunk + b"0\r\n\r\n")
    async with server.serving():
        [reply] = await send_all(server, "GET", cap=4096)
    assert reply == Reply(200, {}, b"x" * 1024)


BLANKS = b"\t" * 60_000 + b"\0\r\n\r\n"


@pytest.mark.parametrize(
    "saying",
    [
        pytest.param(b"HTTP/1.1 200 OK\r\na:" + BLANKS, id="a header"),
        pytest.param(CHUNKED + b"0\r\na:" + BLANKS, id="a trailer"),
        pytest.param(b"HTTP/1.1 200 " + BLANKS, id="a reason"),
    ],
)
async def test_blanks_without_end_hold_up_nobody(saying: bytes) -> None:
    """A header of endless blanks delays no other request (P6)."""
    server = Server(saying)
    began = time.process_time()
    async with server.serving():
        [got] = await send_all(server, "GET")
    assert time.process_time() - began < 2
    assert isinstance(got, NoResponse) or got.cut


async def test_origins_by_the_thousand_hold_a_bounded_number_of_connections() -> None:
    """A connection to an origin that gave way to others is closed, and not left to its server."""
    opened: set[asyncio.StreamWriter] = set()

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        opened.add(writer)
        while await _head(reader):
            writer.write(GOOD)
        opened.discard(writer)
        writer.close()

    async with await asyncio.start_server(answer, "0.0.0.0", 0) as server:
        port = server.sockets[0].getsockname()[1]
        http = http_client(lambda *_: ConnectionRoute(ssl.create_default_context()))
        for number in range(2 * MOST_ORIGINS):
            url = parse_url(f"http://127.1.{number // 200}.{number % 200 + 1}:{port}/v2/")
            got = await http.send("GET", url, [("Host", "r.example")], cap=9, trusted=True)
            assert isinstance(got, Reply)

        async def are_closed() -> bool:
            return len(opened) <= MOST_ORIGINS

        await until(are_closed, what="the connections beyond the bound are closed")
        assert len(opened) > 1
        await http.close()
        await until(lambda: _is_empty(opened), what="all are closed")


async def _is_empty(held: set[asyncio.StreamWriter]) -> bool:
    return not held
