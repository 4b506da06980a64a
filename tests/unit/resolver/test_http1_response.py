"""A response from its bytes, however they are cut: its head, its body, and where it ends."""

from collections.abc import Sequence
from itertools import pairwise
from typing import NamedTuple

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from imagedrift_resolver.adapters.http1_response import (
    HEADERS_CAP,
    MOST_INTERIM,
    Head,
    ResponseParser,
)
from imagedrift_resolver.adapters.request_failed import RequestFailed

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
TO_THE_END = b"HTTP/1.1 200 OK\r\nX: y\r\n\r\n"
INTERIM = b"HTTP/1.1 103 Hints\r\nLink: x\r\n\r\n"


class Read(NamedTuple):
    """A response, as a parser tells it."""

    head: Head | None = None
    body: bytes = b""
    is_complete: bool = False
    has_trailing: bool = False
    failed: str = ""


def read(pieces: Sequence[bytes], method: str = "GET") -> Read:
    """Feed a parser piece by piece; an empty one is the end of the connection."""
    parser, body = ResponseParser(method), b""
    try:
        for piece in pieces:
            parser.feed(piece)
            if parser.read_head():
                body += b"".join(parser.read_body())
                if not piece and not parser.is_complete:
                    body += b"".join(parser.read_body())
    except RequestFailed as error:
        return Read(parser.head, failed=error.kind)
    return Read(parser.head, body, parser.is_complete, parser.has_trailing)


def status_of(got: Read) -> int | None:
    """The status, if there is a head."""
    return got.head.status if got.head else None


# --- where a response ends ----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("method", "head"),
    [
        ("HEAD", b"HTTP/1.1 200 OK\r\nContent-Length: 40\r\n\r\n"),
        ("HEAD", b"HTTP/1.1 200 OK\r\n\r\n"),
        ("HEAD", CHUNKED),
        ("HEAD", b"HTTP/1.1 404 No\r\nContent-Length: 99\r\n\r\n"),
        ("GET", b"HTTP/1.1 204 No\r\nContent-Length: 4\r\n\r\n"),
        ("GET", b"HTTP/1.1 204 No\r\nTransfer-Encoding: chunked\r\n\r\n"),
        ("GET", b"HTTP/1.1 304 No\r\nContent-Length: 4\r\n\r\n"),
        ("GET", b"HTTP/1.1 304 No\r\n\r\n"),
        ("CONNECT", b"HTTP/1.1 200 Yes\r\nContent-Length: 4\r\n\r\n"),
    ],
)
@pytest.mark.parametrize("after", [b"", b"\r\n", b"2\r\nok\r\n0\r\n\r\n", OK, b"\0"])
def test_a_response_that_can_have_no_body_ends_with_its_head(
    method: str, head: bytes, after: bytes
) -> None:
    """No byte after the head is of its body, whatever its headers say (RFC 9112, 6.3)."""
    for pieces in ([head + after], [head, after] if after else [head]):
        got = read(pieces, method)

        assert (got.body, got.is_complete, got.failed) == (b"", True, "")
        assert got.has_trailing is bool(after)


@pytest.mark.parametrize(
    ("response", "body"),
    [
        (OK, b"ok"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", b""),
        (CHUNKED + b"0\r\n\r\n", b""),
        (CHUNKED + b"2\r\nok\r\n1\r\n!\r\n0\r\n\r\n", b"ok!"),
        (CHUNKED + b'2;a=b;c="d"\r\nok\r\n0\r\nX: y\r\nLocation: z\r\n\r\n', b"ok"),
        (INTERIM + OK, b"ok"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 2\r\n\r\nok", b"ok"),
    ],
)
def test_a_byte_after_the_end_is_noticed(response: bytes, body: bytes) -> None:
    """A line break, a response or half of one after the end is no part of it."""
    assert read([response])[1:4] == (body, True, False)
    for after in (b"\r\n", b"x", OK, OK[:9], CHUNKED * 3):
        assert read([response + after])[1:4] == (body, True, True)
        assert read([response, after])[1:4] == (body, True, True)


@pytest.mark.parametrize(("body", "pieces"), [(b"", [b""]), (b"ok", [b"o", b"k", b""])])
def test_a_body_without_length_and_chunks_ends_with_its_connection(
    body: bytes, pieces: list[bytes]
) -> None:
    """It is complete when the connection is at its end, and not before."""
    assert read([TO_THE_END, *pieces])[1:] == (body, True, False, "")
    assert not read([TO_THE_END, *pieces[:-1]]).is_complete


@pytest.mark.parametrize(
    "response", [OK, CHUNKED + b"2;a=b\r\nok\r\n0\r\nX: y\r\n\r\n", INTERIM + OK]
)
def test_a_response_that_ends_early_fails(response: bytes) -> None:
    """At whatever byte the connection ends, no part is taken for the whole."""
    for size in range(len(response)):
        assert read([response[:size], b""]).failed == "protocol"


# --- heads --------------------------------------------------------------------------------------


def test_names_are_lower_case_and_values_without_blanks_around() -> None:
    """A header has the form in which it is compared, and a trailer is none."""
    lines = b"A-B: c \r\nTransfer-Encoding: chunked\r\nA-b:\t d\r\n\r\n0\r\nDigest: forged\r\n\r\n"

    head = read([b"HTTP/1.1 200 OK\r\n" + lines]).head

    assert head is not None
    assert head.headers == ((b"a-b", b"c"), (b"transfer-encoding", b"chunked"), (b"a-b", b"d"))


@pytest.mark.parametrize(
    ("head", "keeps"),
    [
        (b"HTTP/1.1 200 OK\r\n", True),
        (b"HTTP/1.1 200 OK\r\nConnection: keep-alive\r\n", True),
        (b"HTTP/1.1 200 OK\r\nConnection: Close\r\n", False),
        (b"HTTP/1.1 200 OK\r\nConnection: upgrade , close\r\n", False),
        (b"HTTP/1.1 200 OK\r\nConnection: upgrade\r\nUpgrade: h2c\r\n", True),
        (b"HTTP/1.0 200 OK\r\n", False),
        (b"HTTP/1.0 200 OK\r\nConnection: keep-alive\r\n", False),
    ],
)
def test_a_response_tells_whether_its_connection_is_kept(head: bytes, keeps: bool) -> None:
    """Only HTTP/1.1 keeps it, and not after `close` (RFC 9112, 9.3)."""
    got = read([head + b"Content-Length: 2\r\n\r\nok"])

    assert got.head is not None
    assert (got.head.keeps, got.body, got.is_complete) == (keeps, b"ok", True)


@pytest.mark.parametrize(
    "lengths",
    [
        b"Content-Length: 99\r\nTransfer-Encoding: chunked\r\n",
        b"Transfer-Encoding: chunked\r\ncontent-length: 99\r\n",
        b"Content-Length: 1\r\nTransfer-Encoding: chunked\r\nContent-Length: 2\r\n",
    ],
)
def test_a_length_beside_chunks_is_told(lengths: bytes) -> None:
    """The chunks are read, and the head says that it has both (RFC 9112, 6.3)."""
    got = read([b"HTTP/1.1 200 OK\r\n" + lengths + b"\r\n2\r\nok\r\n0\r\n\r\n"])

    assert got.head is not None
    assert (got.head.has_two_lengths, got.body, got.is_complete) == (True, b"ok", True)


def test_a_header_of_several_lines_is_one() -> None:
    """A folded header is read, as old servers write it (RFC 9112, 5.2)."""
    got = read([b"HTTP/1.1 200 OK\r\nX: a\r\n\t b\r\n c\r\nContent-Length:\r\n 2\r\n\r\nok"])

    assert got.head is not None
    assert got.head.headers == ((b"x", b"a b c"), (b"content-length", b"2"))
    assert (got.body, got.is_complete) == (b"ok", True)


def with_lines(*lines: bytes) -> bytes:
    """A response with these headers."""
    return b"\r\n".join((b"HTTP/1.1 200 OK", *lines, b"", b"ok"))


@pytest.mark.parametrize(
    "response",
    [
        pytest.param(with_lines(b"Content-Length: 2", b"Content-Length: 3"), id="two lengths"),
        pytest.param(with_lines(b"Content-Length: 2, 2"), id="a list of lengths"),
        pytest.param(with_lines(b"Content-Length: -2"), id="a negative length"),
        pytest.param(with_lines(b"Content-Length: +2"), id="a length with a sign"),
        pytest.param(with_lines(b"Content-Length: 0x2"), id="a length in another form"),
        pytest.param(with_lines(b"Content-Length: " + b"9" * 30), id="a length beyond 64 bits"),
        pytest.param(with_lines(b"Content-Length:"), id="a length of nothing"),
        pytest.param(with_lines(b"Transfer-Encoding: gzip, chunked"), id="another coding"),
        pytest.param(with_lines(b"Transfer-Encoding: identity"), id="no coding"),
        pytest.param(
            with_lines(b"Transfer-Encoding: chunked", b"Transfer-Encoding: chunked"),
            id="chunks twice",
        ),
        pytest.param(with_lines(b"A : b"), id="a blank before the colon"),
        pytest.param(with_lines(b"A"), id="no colon"),
        pytest.param(with_lines(b": b"), id="no name"),
        pytest.param(with_lines(b"A: \0"), id="NUL"),
        pytest.param(with_lines(b"A\0: b"), id="NUL in a name"),
        pytest.param(with_lines(b"A: b\rContent-Length: 2"), id="a bare CR"),
        pytest.param(with_lines(b" A: b"), id="a fold without a header"),
        pytest.param(with_lines(b"A: b\nContent-Length: 2"), id="a bare LF"),
        pytest.param(b"HTTP/1.1 200 OK\nContent-Length: 2\n\nok", id="bare LFs"),
        pytest.param(b"HTTP/1.1 200 OK\nA: b\r\n\r\n", id="a bare LF after the status"),
        pytest.param(b"HTTP/1.1 200 O\0\r\n\r\n", id="NUL in the reason"),
        pytest.param(b"HTTP/1.1 101 Go\r\nUpgrade: h2c\r\n\r\n", id="101"),
        pytest.param(
            b"HTTP/1.1 101 Go\r\nConnection: upgrade\r\nUpgrade: h2c\r\n\r\n", id="an upgrade"
        ),
        pytest.param(b"HTTP/1.1 099 No\r\n\r\n", id="a status below 100"),
        pytest.param(b"HTTP/1.1 20 No\r\n\r\n", id="a status of two digits"),
        pytest.param(b"HTTP/1.1 2000 No\r\n\r\n", id="a status of four digits"),
        pytest.param(b"HTTP/1.1 OK\r\n\r\n", id="no status"),
        pytest.param(b"HTTP/1.9 200 OK\r\n\r\n", id="another version"),
        pytest.param(b"HTTP/2.0 200 OK\r\n\r\n", id="HTTP/2"),
        pytest.param(b"\r\n" + OK, id="a line break first"),
        pytest.param(b"x" + OK, id="a byte first"),
        pytest.param(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", id="an HTTP/2 preface"),
        pytest.param(b"SSH-2.0-OpenSSH_9.9\r\n", id="another protocol"),
        pytest.param(b"GET / HTTP/1.1\r\n\r\n", id="a request"),
        pytest.param(CHUNKED + b"-2\r\nok\r\n", id="a negative chunk"),
        pytest.param(CHUNKED + b"2\r\nokay\r\n0\r\n\r\n", id="a chunk longer than it says"),
        pytest.param(CHUNKED + b"F" * 22 + b"\r\nok", id="a chunk beyond 64 bits"),
        pytest.param(CHUNKED + b"2\nok\n0\n\n", id="chunks of bare LFs"),
        pytest.param(CHUNKED + b"0\r\nA: \0\r\n\r\n", id="NUL in a trailer"),
    ],
)
def test_what_is_no_response_fails_at_once(response: bytes) -> None:
    """The failure is named `protocol`, and nothing is waited for."""
    assert read([response]).failed == "protocol"
    assert read([response[n : n + 1] for n in range(len(response))]).failed == "protocol"


@pytest.mark.parametrize("count", [MOST_INTERIM, MOST_INTERIM + 1])
def test_interim_responses_are_counted(count: int) -> None:
    """Eight of them may come before a response."""
    got = read([INTERIM * count + OK])

    assert (status_of(got), got.failed) == (
        (200, "") if count == MOST_INTERIM else (None, "protocol")
    )


# --- sizes --------------------------------------------------------------------------------------


@pytest.mark.parametrize("size", [HEADERS_CAP, HEADERS_CAP + 1])
@pytest.mark.parametrize("step", [1000, HEADERS_CAP, 10 * HEADERS_CAP])
def test_a_head_has_64_kib_at_most(size: int, step: int) -> None:
    """Its bytes are counted alike in one piece and in many, and those of the body are not."""
    head = b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\nX: \r\n\r\n"
    head = head.replace(b"X: ", b"X: " + b"x" * (size - len(head)))
    data = head + b"y" * 100_000

    got = read([data[n : n + step] for n in range(0, len(data), step)])

    assert bool(got.failed) is (size > HEADERS_CAP)
    assert len(got.body) == (0 if got.failed else 100_000)


@pytest.mark.parametrize(
    "endless",
    [b"HTTP/1.1 200 " + b"x" * HEADERS_CAP, b"HTTP/1.1 200 OK\r\n" + b"A: b\r\n" * 20_000],
)
def test_a_head_without_end_is_given_up(endless: bytes) -> None:
    """Neither one line nor many of them are read for ever."""
    assert read([endless]).failed == "protocol"
    assert read([endless[n : n + 999] for n in range(0, len(endless), 999)]).failed == "protocol"


@pytest.mark.parametrize("endless", [b"2;" + b"a" * 200_000, b"0\r\n" + b"A: b\r\n" * 40_000])
def test_extensions_and_trailers_without_end_are_given_up(endless: bytes) -> None:
    """Between two pieces of a body, and after the last, come 64 KiB at most."""
    data = CHUNKED + endless
    assert read([data[n : n + 4096] for n in range(0, len(data), 4096)]).failed == "protocol"


# --- in any pieces ------------------------------------------------------------------------------

RESPONSES = [
    OK,
    OK + OK,
    INTERIM + INTERIM + OK + b"x",
    CHUNKED + b"2;a=b\r\nok\r\n3\r\nyes\r\n0\r\nX: y\r\n\r\n",
    CHUNKED + b"2\r\nok\r\n0\r\n\r\n\r\n",
    CHUNKED + b"2\r\nok\r\n",
    TO_THE_END + b"to the end",
    b"HTTP/1.0 200 OK\r\nConnection: keep-alive\r\nContent-Length: 2\r\n\r\nok",
    b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    b"HTTP/1.1 200 OK\r\nX: a\r\n  b\r\nContent-Length: 2\r\n\r\nok",
    b"HTTP/1.1 204 No\r\nContent-Length: 4\r\n\r\nbody",
    b"HTTP/1.1 401 No\r\nContent-Length: 2\r\ncontent-length:2\r\n\r\nno",
    b"HTTP/1.1 200\r\nContent-Length: 2\r\n\r\nok",
    b"HTTP/1.1 200 OK\r\nContent-Length: x\r\n\r\nok",
    b"nonsense",
]


@given(
    st.sampled_from(RESPONSES),
    st.lists(st.integers(0, 200), max_size=12),
    st.sampled_from(["GET", "HEAD", "CONNECT"]),
    st.booleans(),
)
def test_a_response_is_the_same_in_whatever_pieces_it_comes(
    response: bytes, cuts: list[int], method: str, ends: bool
) -> None:
    """Where reads cut a response changes nothing."""
    at = [0, *sorted({cut for cut in cuts if 0 < cut < len(response)}), len(response)]
    pieces = [response[low:high] for low, high in pairwise(at)]
    end = [b""] if ends else []

    assert read([*pieces, *end], method) == read([response, *end], method)


@given(
    st.sampled_from([b"", b"HTTP/1.1 200 OK\r\n", CHUNKED, OK[:36]]),
    st.lists(st.one_of(st.binary(min_size=1, max_size=40), st.sampled_from(RESPONSES)), max_size=6),
    st.sampled_from(["GET", "HEAD"]),
)
@example(b"HTTP/1.1 200 OK\r\n", [b"Content-Length:\r\n 2\r\n\r\nok"], "GET")
def test_any_bytes_are_a_response_or_a_failure(
    before: bytes, pieces: list[bytes], method: str
) -> None:
    """At the end of the connection every response is complete or has failed."""
    got = read([*([before] if before else []), *pieces, b""], method)

    assert got.is_complete or got.failed == "protocol"
