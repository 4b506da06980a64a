"""HTTP to the letter (RFC 9112, RFC 9110): no byte after a response belongs to the next one."""

import ssl
from pathlib import Path

import pytest

from imagedrift_resolver.adapters.routes import ConnectionRoute
from imagedrift_resolver.core.reply import NoResponse, Reply
from imagedrift_resolver.core.url import parse_url
from imagedrift_sandbox.nats import NatsServer
from imagedrift_schemas.v1 import Found
from support.answering_server import DIGEST, FORGED, OK, AnsweringServer, ask
from support.dialing import http_client
from support.resolver import trusting, working


@pytest.mark.parametrize(
    "location",
    ["http://[", "//a:b:c/", "http:x", "http://a/\xff", "javascript:1", "http://h:99999/", " "],
)
async def test_an_odd_redirect_target_is_a_reply_and_no_exception(location: str) -> None:
    """A `Location` that httpx refuses to parse reaches core as it came."""
    head = f"HTTP/1.1 307 Temporary Redirect\r\nLocation: {location}\r\n"
    server = AnsweringServer(head.encode("latin-1") + b"Content-Length: 0\r\n\r\n")
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
    server = AnsweringServer(OK)
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
    server = AnsweringServer(HEAD_WITH + body if together else HEAD_WITH, b"" if together else body)
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
    async with AnsweringServer(answer).serving() as server:
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
    async with AnsweringServer(answer).serving() as server:
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
    async with AnsweringServer(answer).serving() as server:
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
    async with AnsweringServer(
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
    async with AnsweringServer(chunked.encode()).serving() as server:
        [reply] = await ask(server, 1)
    assert reply == Reply(200, {}, b"")


async def test_a_server_that_speaks_first_is_not_believed() -> None:
    """Bytes on an idle connection end it."""
    server = AnsweringServer(OK, FORGED)
    async with server.serving():
        http = http_client(lambda *_: ConnectionRoute(ssl.create_default_context()))
        url = parse_url(f"http://127.0.0.1:{server.port}/v2/")
        headers = [("Host", url.authority)]
        for _ in range(3):
            server.is_sent.clear()
            reply = await http.send("GET", url, headers, cap=99, trusted=True)
            assert isinstance(reply, Reply)
            assert reply.body == b"ok"
            await server.is_sent.wait()
        await http.close()
    assert server.connections == 3
