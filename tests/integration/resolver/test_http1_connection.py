"""HTTP to the letter (RFC 9112, RFC 9110): no byte after a response belongs to the next one."""

import asyncio
import ssl
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from itertools import pairwise
from pathlib import Path
from typing import Any, NamedTuple

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from imagedrift_resolver.adapters.http1_connection import Http1Connection
from imagedrift_resolver.adapters.request_failed import RequestFailed
from imagedrift_resolver.adapters.routes import ConnectionRoute
from imagedrift_resolver.adapters.socket_stream import SocketStream
from imagedrift_resolver.core.reply import NoResponse, Reply
from imagedrift_resolver.core.url import parse_url
from imagedrift_sandbox.nats import NatsServer
from imagedrift_schemas.v1 import Found
from support.dialing import http_client
from support.resolver import trusting, working

DIGEST = "Docker-Content-Digest: sha256:"

FORGED = f"HTTP/1.1 200 OK\r\n{DIGEST}{'e' * 64}\r\nContent-Length: 0\r\n\r\n".encode()

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


class Server:
    """Answers each request with the same bytes, or with what a number of it makes of them."""

    def __init__(self, answer: bytes, late: bytes = b"") -> None:
        self._answer = answer
        self._late = late
        self.connections = 0
        self.paths: list[str] = []
        self.port = 0
        self.is_said = asyncio.Event()
        """Set when the late bytes have been sent."""

    @asynccontextmanager
    async def serving(self) -> AsyncIterator["Server"]:
        """Serve while the context lasts."""
        server = await asyncio.start_server(self._accept, "127.0.0.1", 0)
        self.port = server.sockets[0].getsockname()[1]
        async with server:
            yield self

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        with suppress(asyncio.IncompleteReadError, OSError, asyncio.CancelledError):
            while head := await reader.readuntil(b"\r\n\r\n"):
                path = head.split(b" ")[1].decode()
                self.paths.append(path)
                writer.write(self._answer.replace(b"TAG", path[-1].encode() * 64))
                await writer.drain()
                if self._late:
                    await asyncio.sleep(0)
                    writer.write(self._late)
                    await writer.drain()
                    self.is_said.set()
        writer.close()


async def ask(
    server: Server, count: int = 2, method: str = "GET", target: str = "/v2/"
) -> list[Reply | NoResponse]:
    """Make requests, one after the other."""
    http = http_client(lambda *_: ConnectionRoute(ssl.create_default_context()))
    url = parse_url(f"http://127.0.0.1:{server.port}{target}")
    try:
        return [
            await http.send(method, url, [("Host", url.authority)], cap=99, trusted=True)
            for _ in range(count)
        ]
    finally:
        await http.close()


@pytest.mark.parametrize(
    "location",
    ["http://[", "//a:b:c/", "http:x", "http://a/\xff", "javascript:1", "http://h:99999/", " "],
)
async def test_an_odd_redirect_target_is_a_reply_and_no_exception(location: str) -> None:
    """A `Location` that httpx refuses to parse reaches core as it came."""
    head = f"HTTP/1.1 307 Temporary Redirect\r\nLocation: {location}\r\n"
    server = Server(head.encode("latin-1") + b"Content-Length: 0\r\n\r\n")
    async with server.serving():
        [reply] = await ask(server, count=1)
    assert isinstance(reply, Reply)
    assert reply.status == 307
    assert reply.headers["location"] == (location.strip(),)


@pytest.mark.parametrize(
    "target",
    ["/a/../b", "/./x", "/%7e%2F%2f", "/x?sig=a|b{c}`d^", "//x//y", "/x?y=1&&z", "/x?", "/a%zz"],
)
async def test_a_target_is_sent_as_it_was_checked(target: str) -> None:
    """A target is sent byte for byte: a storage's signature holds for no other writing of it."""
    server = Server(OK)
    async with server.serving():
        [reply] = await ask(server, count=1, target=target)
    assert isinstance(reply, Reply)
    assert server.paths == [parse_url(f"http://h{target}").target]


HEAD_WITH = f"HTTP/1.1 200 OK\r\n{DIGEST}TAG\r\nContent-Length: 40\r\n\r\n".encode()


@pytest.mark.parametrize("together", [True, False], ids=["together", "a moment later"])
@pytest.mark.parametrize(
    "body",
    [
        pytest.param(b'{"schemaVersion":2,"manifests":[]}', id="the manifest"),
        pytest.param(b'{"errors":[{"code":"UNKNOWN"}]}', id="an error"),
        pytest.param(FORGED, id="a forged head"),
        pytest.param(FORGED * 3, id="several forged heads"),
        pytest.param(b"\r\n", id="a line break"),
        pytest.param(b"H", id="one byte"),
    ],
)
async def test_a_body_after_head_is_no_answer_to_the_next_question(
    fresh_nats: NatsServer, tmp_path: Path, body: bytes, together: bool
) -> None:
    """A body after HEAD is no answer to the next question (curl/curl#987)."""
    server = Server(HEAD_WITH + body if together else HEAD_WITH, b"" if together else body)
    async with server.serving():
        host = f"127.0.0.1:{server.port}"
        toml = trusting(host, max_connections=1)
        async with working(fresh_nats.url, tmp_path, toml) as client:
            answers = [await client.ask(f"{host}/app:{tag}") for tag in "abcdef"]
    found = [a.outcome.digest if isinstance(a.outcome, Found) else a.outcome for a in answers]
    assert found == [f"sha256:{tag * 64}" for tag in "abcdef"]


@pytest.mark.parametrize(
    ("answer", "status", "method"),
    [
        pytest.param(OK + b"x", 200, "GET", id="a byte after content-length"),
        pytest.param(OK + FORGED, 200, "GET", id="a second response"),
        pytest.param(
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n" + FORGED,
            200,
            "GET",
            id="a response after the last chunk",
        ),
        pytest.param(b"HTTP/1.1 204 No\r\n\r\nbody", 204, "GET", id="204 with a body"),
        pytest.param(
            b"HTTP/1.1 204 No\r\nContent-Length: 4\r\n\r\nbody", 204, "GET", id="204 with a length"
        ),
        pytest.param(b"HTTP/1.1 304 No\r\n\r\nbody", 304, "GET", id="304 with a body"),
        pytest.param(
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n",
            200,
            "HEAD",
            id="chunks after HEAD",
        ),
        pytest.param(
            b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nok",
            200,
            "GET",
            id="connection: close",
        ),
        pytest.param(b"HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\nok", 200, "GET", id="HTTP/1.0"),
        pytest.param(
            b"HTTP/1.0 200 OK\r\nConnection: keep-alive\r\nContent-Length: 2\r\n\r\nok",
            200,
            "GET",
            id="HTTP/1.0 that keeps",
        ),
        pytest.param(
            b"HTTP/1.1 200 OK\r\nContent-Length: 99\r\nTransfer-Encoding: chunked\r\n\r\n"
            b"2\r\nok\r\n0\r\n\r\n",
            200,
            "GET",
            id="two ways to tell the length",
        ),
    ],
)
async def test_a_response_that_leaves_doubt_ends_its_connection(
    answer: bytes, status: int, method: str
) -> None:
    """An ambiguous response ends its connection (RFC 9112, 6.3, 9.3, 9.6)."""
    async with Server(answer).serving() as server:
        replies = await ask(server, 3, method)
    assert [r.status if isinstance(r, Reply) else r for r in replies] == [status] * 3
    assert server.connections == 3
    assert all(isinstance(r, Reply) and r.body in (b"", b"ok") for r in replies)


@pytest.mark.parametrize(
    ("answer", "method"),
    [
        pytest.param(OK, "GET", id="content-length"),
        pytest.param(b"HTTP/1.1 200 OK\r\nContent-Length: 40\r\n\r\n", "HEAD", id="HEAD"),
        pytest.param(b"HTTP/1.1 200 OK\r\n\r\n", "HEAD", id="HEAD without a length"),
        pytest.param(
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", "HEAD", id="HEAD of chunks"
        ),
        pytest.param(b"HTTP/1.1 204 No\r\n\r\n", "GET", id="204"),
        pytest.param(
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
            b"2;a=b\r\nok\r\n0\r\nX: y\r\n\r\n",
            "GET",
            id="chunks with an extension and a trailer",
        ),
        pytest.param(b"HTTP/1.1 103 Hints\r\nLink: x\r\n\r\n" + OK, "GET", id="a hint first"),
        pytest.param(
            b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 2\r\n\r\nok",
            "GET",
            id="the same length twice",
        ),
        pytest.param(
            b"HTTP/1.1 200 OK\r\nX: a\r\n  b\r\nContent-Length: 2\r\n\r\nok", "GET", id="obs-fold"
        ),
        pytest.param(b"HTTP/1.1 200\r\nContent-Length: 2\r\n\r\nok", "GET", id="no reason phrase"),
    ],
)
async def test_a_response_without_doubt_keeps_its_connection(answer: bytes, method: str) -> None:
    """An unambiguous response keeps its connection (docker/hub-feedback#1907)."""
    async with Server(answer).serving() as server:
        replies = await ask(server, 3, method)
    assert all(isinstance(reply, Reply) for reply in replies)
    assert server.connections == 1


@pytest.mark.parametrize(
    "answer",
    [
        pytest.param(b"HTTP/1.1 101 Go\r\nUpgrade: h2c\r\n\r\n", id="101"),
        pytest.param(b"HTTP/1.1 100 Continue\r\n\r\n" * 20 + OK, id="interim without end"),
        pytest.param(
            b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\nok", id="two lengths"
        ),
        pytest.param(b"HTTP/1.1 200 OK\r\nContent-Length: -2\r\n\r\nok", id="a negative length"),
        pytest.param(b"HTTP/1.1 200 OK\r\nA: b\rContent-Length: 2\r\n\r\nok", id="a bare CR"),
        pytest.param(b"HTTP/1.1 200 OK\r\nA : b\r\n\r\n", id="a blank before the colon"),
        pytest.param(b"HTTP/1.1 200 OK\r\nA\r\n\r\n", id="no colon"),
        pytest.param(b"HTTP/1.1 200 OK\r\nA: \0\r\n\r\n", id="NUL"),
        pytest.param(
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n", id="another coding"
        ),
        pytest.param(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", id="an HTTP/2 preface"),
    ],
)
async def test_what_is_no_response_is_told_as_such(answer: bytes) -> None:
    """Bytes that are no response are an error, and end the connection."""
    async with Server(answer).serving() as server:
        replies = await ask(server)
    assert all(isinstance(reply, NoResponse) for reply in replies)
    assert server.connections == 2


@pytest.mark.parametrize(
    "chunks",
    [
        pytest.param(b"2;" + b"a" * 1_000_000 + b"\r\nok\r\n0\r\n\r\n", id="an endless extension"),
        pytest.param(b"FFFFFFFFFFFFFFFFFFFFFF\r\nok", id="an endless chunk"),
        pytest.param(b"-2\r\nok\r\n0\r\n\r\n", id="a negative chunk"),
        pytest.param(b"2\r\nokay\r\n0\r\n\r\n", id="a chunk longer than it says"),
    ],
)
async def test_absurd_chunks_prove_nothing(chunks: bytes) -> None:
    """Absurd chunk sizes mark the reply as cut and end the connection."""
    async with Server(
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + chunks
    ).serving() as (server):
        replies = await ask(server)
    assert all(isinstance(reply, NoResponse) or reply.cut for reply in replies)
    assert server.connections == 2


async def test_a_trailer_is_no_header() -> None:
    """A digest in a trailer does not count."""
    chunked = (
        f"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n{DIGEST}{'e' * 64}\r\n\r\n"
    )
    async with Server(chunked.encode()).serving() as server:
        [reply] = await ask(server, 1)
    assert reply == Reply(200, {}, b"")


# --- one connection, byte by byte ---------------------------------------------------------------


class Wire(asyncio.Transport):
    """The other end of a connection, as far as a stream needs it: it keeps what is written."""

    def __init__(self) -> None:
        super().__init__()
        self.written = b""

    def write(self, data: object) -> None:
        """Keep a request."""
        assert isinstance(data, bytes)
        self.written += data

    def abort(self) -> None:
        """End, like any transport."""


class Told(NamedTuple):
    """A response, as a connection tells it."""

    status: int = 0
    headers: tuple[tuple[str, str], ...] = ()
    body: bytes = b""
    is_reusable: bool = False
    failed: str = ""


def sent_to(wire: Wire, headers: list[tuple[bytes, bytes]], target: bytes, method: str) -> Any:
    """A connection over a wire, its stream, and a request for it."""

    async def keep(_: Http1Connection) -> None:
        """Keep the connection."""

    stream = SocketStream()
    stream.connection_made(wire)
    request = httpx.Request(
        method, "http://r.example", headers=headers, extensions={"target": target}
    )
    return Http1Connection(stream, "http://r.example", None, keep), stream, request


async def told(pieces: Sequence[bytes], method: str) -> Told:
    """Tell what a connection makes of a response in these pieces; an empty one ends it."""
    connection, stream, request = sent_to(Wire(), [], b"/v2/", method)

    async def serve() -> None:
        for piece in pieces:
            stream.data_received(piece) if piece else stream.eof_received()
            for _ in range(3):  # so many turns until the piece is read
                await asyncio.sleep(0)

    async def read() -> Told:
        response = await connection.handle_async_request(request)
        headers = tuple(response.headers.items())
        try:
            body = b"".join([piece async for piece in response.stream])
        except RequestFailed as error:
            return Told(response.status_code, headers, failed=error.kind)
        return Told(response.status_code, headers, body, is_reusable=connection.finish())

    reading = asyncio.create_task(read())
    await asyncio.sleep(0)
    await serve()
    if not reading.done():
        reading.cancel()
        return Told(failed="waits")
    try:
        got = reading.result()
    except RequestFailed as error:
        return Told(failed=error.kind)
    return got._replace(is_reusable=got.is_reusable and not stream.unread and not stream.has_ended)


CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
RESPONSES = [
    OK,
    OK + OK,
    b"HTTP/1.1 103 Hints\r\nLink: x\r\n\r\n" + OK + b"x",
    CHUNKED + b"2;a=b\r\nok\r\n3\r\nyes\r\n0\r\nX: y\r\n\r\n",
    CHUNKED + b"2\r\nok\r\n0\r\n\r\n\r\n",
    CHUNKED + b"2\r\nok\r\n",
    b"HTTP/1.1 200 OK\r\nLink: y\r\n\r\nto the end",
    b"HTTP/1.0 200 OK\r\nConnection: keep-alive\r\nContent-Length: 2\r\n\r\nok",
    b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    b"HTTP/1.1 200 OK\r\nLink: a\r\n  b\r\nContent-Length: 2\r\n\r\nok",
    b"HTTP/1.1 204 No\r\nContent-Length: 4\r\n\r\nbody",
    b"HTTP/1.1 401 No\r\nContent-Length: 2\r\ncontent-length:2\r\n\r\nno",
    b"HTTP/1.1 200\r\nContent-Length: 2\r\n\r\nok",
    b"HTTP/1.1 200 OK\r\nContent-Length: x\r\n\r\nok",
]


async def test_a_response_in_single_bytes_is_read_whole() -> None:
    """The connection waits for each byte, and can be used again after the last one."""
    pieces = [OK[at : at + 1] for at in range(len(OK))]

    assert await told(pieces, "GET") == Told(200, (), b"ok", is_reusable=True)
    assert await told(pieces[:-1], "GET") == Told(failed="waits")
    assert await told([*pieces[:-1], b""], "GET") == Told(200, (), failed="protocol")
    assert await told([OK + b"x"], "GET") == Told(200, (), b"ok", is_reusable=False)


@given(
    st.sampled_from(RESPONSES),
    st.lists(st.integers(1, 120), max_size=12),
    st.sampled_from(["GET", "HEAD"]),
    st.booleans(),
)
async def test_a_response_is_the_same_in_whatever_pieces_it_comes(
    response: bytes, cuts: list[int], method: str, ends: bool
) -> None:
    """Where reads cut a response changes neither it, nor whether its connection is used again."""
    at = [0, *sorted({cut for cut in cuts if cut < len(response)}), len(response)]
    pieces = [response[low:high] for low, high in pairwise(at)]
    end = [b""] if ends else []

    assert await told([*pieces, *end], method) == await told([response, *end], method)


@pytest.mark.parametrize(
    ("name", "value", "target"),
    [
        *((b"A", value, b"/") for value in (b"a\r\nX: b", b"a\nb", b"a\rb", b"a\0b")),
        *((name, b"a", b"/") for name in (b"a b", b"a:", b"a\r\n", b"a\0", b"(a)")),
        *(
            (b"A", b"a", target)
            for target in (b"", b"/a b", b"/\r\nX: y", b"/\0", b"/\xe9", b"/\t")
        ),
    ],
)
async def test_no_header_and_no_target_begins_another_line(
    name: bytes, value: bytes, target: bytes
) -> None:
    """A request with a line break, NUL or blank where none may be is not written at all."""
    wire = Wire()
    connection, _, request = sent_to(wire, [(name, value)], target, "GET")

    with pytest.raises(RequestFailed, match="forbids") as failed:
        await connection.handle_async_request(request)

    assert failed.value.kind == "protocol"
    assert wire.written == b""


async def test_a_server_that_speaks_first_is_not_believed() -> None:
    """Bytes on an idle connection end it."""
    server = Server(OK, FORGED)
    async with server.serving():
        http = http_client(lambda *_: ConnectionRoute(ssl.create_default_context()))
        url = parse_url(f"http://127.0.0.1:{server.port}/v2/")
        headers = [("Host", url.authority)]
        for _ in range(3):
            server.is_said.clear()
            reply = await http.send("GET", url, headers, cap=99, trusted=True)
            assert isinstance(reply, Reply)
            assert reply.body == b"ok"
            await server.is_said.wait()
        await http.close()
    assert server.connections == 3
