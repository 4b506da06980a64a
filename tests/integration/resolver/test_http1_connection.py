"""One connection, byte by byte: responses in any pieces, requests of one line each."""

import asyncio
from collections.abc import Sequence
from itertools import pairwise
from typing import Any, NamedTuple

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from imagedrift_resolver.adapters.http1_connection import Http1Connection
from imagedrift_resolver.adapters.request_failed import RequestFailed
from imagedrift_resolver.adapters.socket_stream import SocketStream
from support.answering_server import OK


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


class ReadResponse(NamedTuple):
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


async def read_response(pieces: Sequence[bytes], method: str) -> ReadResponse:
    """Tell what a connection makes of a response in these pieces; an empty one ends it."""
    connection, stream, request = sent_to(Wire(), [], b"/v2/", method)

    async def serve() -> None:
        for piece in pieces:
            stream.data_received(piece) if piece else stream.eof_received()
            for _ in range(3):  # so many turns until the piece is read
                await asyncio.sleep(0)

    async def read() -> ReadResponse:
        response = await connection.handle_async_request(request)
        headers = tuple(response.headers.items())
        try:
            body = b"".join([piece async for piece in response.stream])
        except RequestFailed as error:
            return ReadResponse(response.status_code, headers, failed=error.kind)
        return ReadResponse(response.status_code, headers, body, is_reusable=connection.finish())

    reading = asyncio.create_task(read())
    await asyncio.sleep(0)
    await serve()
    if not reading.done():
        reading.cancel()
        return ReadResponse(failed="waits")
    try:
        got = reading.result()
    except RequestFailed as error:
        return ReadResponse(failed=error.kind)
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

    assert await read_response(pieces, "GET") == ReadResponse(200, (), b"ok", is_reusable=True)
    assert await read_response(pieces[:-1], "GET") == ReadResponse(failed="waits")
    assert await read_response([*pieces[:-1], b""], "GET") == ReadResponse(
        200, (), failed="protocol"
    )
    assert await read_response([OK + b"x"], "GET") == ReadResponse(
        200, (), b"ok", is_reusable=False
    )


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

    assert await read_response([*pieces, *end], method) == await read_response(
        [response, *end], method
    )


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
