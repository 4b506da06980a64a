"""One response, parsed by llhttp (httptools) from bytes that come in any pieces.

llhttp knows no method, and parses what follows a response as another one. Hence the rules here:

- A head ends with its first blank line, and goes to llhttp as a whole.
- Responses to HEAD, 204, 304 and the tunnel of a CONNECT end with their head, whatever it says.
- A response without a length and without chunks ends with its connection (RFC 9112, 6.3).
- The last byte that came is parsed by itself: it ends the response, or a byte follows the end.
- llhttp refuses three things that Docker's own client takes: a folded line, an equal second length,
  and a length beside chunks. They are mended before.
"""

import re
from typing import Final

import httptools
from msgspec import Struct

from imagedrift_resolver.adapters.request_failed import RequestFailed

HEADERS_CAP: Final = 64 * 1024
"""Bytes of a head and those before it, or of what comes between two pieces of a body."""
MOST_INTERIM: Final = 8
_BEGINNING: Final = b"HTTP/1."
_BLANK_LINE: Final = re.compile(rb"\n\r?\n")
_FOLD: Final = re.compile(rb"\r\n[ \t]+")
_LENGTH: Final = b"content-length"
_CODING: Final = b"transfer-encoding"
_SWITCHING: Final = 101
_NO_BODY: Final = frozenset({204, 304})


class Head(Struct, frozen=True):
    """The beginning of a response."""

    status: int
    headers: tuple[tuple[bytes, bytes], ...]
    """By lower-case name, in order of arrival."""
    keeps: bool
    """The connection may be used again."""
    has_two_lengths: bool
    """It tells a length and has chunks: nobody knows which of them a server before it believed."""


class ResponseParser:
    """Parses the response to one request."""

    def __init__(self, method: str) -> None:
        self._method = method
        self._unparsed = bytearray()
        self._searched = 0
        self._head_bytes = 0
        self._interim = 0
        self._between = 0
        self._has_ended = False
        self._events: _Events
        self._parser: httptools.HttpResponseParser | None = None
        self.head: Head | None = None
        self.is_http = True
        """What came begins as a response does."""
        self.is_complete = False
        """The response is read to its end."""

    def feed(self, data: bytes) -> None:
        """Take what the connection brought; nothing is its end."""
        self._unparsed += data
        self._has_ended = self._has_ended or not data

    @property
    def has_trailing(self) -> bool:
        """Tell whether bytes follow the end of the response."""
        return self.is_complete and bool(self._unparsed)

    def read_head(self) -> Head | None:
        """Return the head, once it has come as a whole. Raises `RequestFailed`."""
        while self.head is None and (head := self._next_head()):
            self._parse_head(head)
        if self.head is None and self._has_ended:
            raise _not_http()
        return self.head

    def read_body(self) -> list[bytes]:
        """Return the pieces of the body that came. Raises `RequestFailed`."""
        if self._unparsed and not self.is_complete:
            return self._parse_body()
        if self._has_ended and not self.is_complete:
            if self._parser:
                raise _not_http()
            self.is_complete = True
        return []

    def _next_head(self) -> bytes | None:
        """Take the next head from what came, if it is whole."""
        data = self._unparsed
        self.is_http = data.startswith(_BEGINNING[: len(data)])
        if not self.is_http:
            raise _not_http()
        end = _BLANK_LINE.search(data, self._searched)
        size = end.end() if end else len(data)
        if self._head_bytes + size > HEADERS_CAP:
            raise RequestFailed("protocol", "the response's headers are larger than 64 KiB")
        if end is None:
            self._searched = max(0, size - 2)
            return None
        self._searched = 0
        self._head_bytes += size
        head = bytes(data[:size])
        del data[:size]
        return head

    def _parse_head(self, raw: bytes) -> None:
        one_length, has_two = _with_one_length(_unfolded(raw))
        events = _Events()
        parser = httptools.HttpResponseParser(events)
        _parse(parser, events, one_length)
        status = parser.get_status_code()
        is_odd = status < 100 or status == _SWITCHING or b"\0" in raw
        if is_odd or not events.has_head:
            raise RequestFailed("protocol", "the response has no head that answers a request")
        if status < 200:
            self._interim += 1
            if self._interim > MOST_INTERIM:
                raise RequestFailed("protocol", "the response never begins")
            return
        self._events, self._parser = events, parser
        self._begin(Head(status, tuple(events.headers), _keeps(parser, events), has_two))

    def _begin(self, head: Head) -> None:
        """Decide how the response ends."""
        has_length = any(name == _LENGTH for name, _ in head.headers)
        codings = [value.lower() for name, value in head.headers if name == _CODING]
        if codings not in ([], [b"chunked"]):
            raise RequestFailed("protocol", "the response has a transfer coding besides chunks")
        is_tunnel = self._method == "CONNECT" and head.status < 300
        has_no_body = self._method == "HEAD" or head.status in _NO_BODY
        self.is_complete = is_tunnel or has_no_body or self._events.is_complete
        if not has_length and not codings:
            self._parser = None  # it ends with the connection
        self.head = head

    def _parse_body(self) -> list[bytes]:
        data = bytes(self._unparsed)
        self._unparsed.clear()
        if self._parser is None:
            return [data]
        events = self._events
        _parse(self._parser, events, data[:-1])
        if events.is_complete:
            self._unparsed += data[-1:]
        else:
            _parse(self._parser, events, data[-1:])
        self.is_complete = events.is_complete
        pieces, events.body = events.body, []
        self._between = 0 if pieces else self._between + len(data)
        if self._between > HEADERS_CAP and not self.is_complete:
            raise RequestFailed("protocol", "the response's chunks are absurd")
        return pieces


class _Events:
    """The parts of one response, as llhttp finds them."""

    def __init__(self) -> None:
        self.headers: list[tuple[bytes, bytes]] = []
        self.body: list[bytes] = []
        self.has_head = False
        self.is_complete = False

    def on_header(self, name: bytes, value: bytes) -> None:
        """Keep a header; a trailer is none."""
        if not self.has_head:
            self.headers.append((name.lower(), value.strip(b" \t")))

    def on_headers_complete(self) -> None:
        """Note the end of the head."""
        self.has_head = True

    def on_body(self, body: bytes) -> None:
        """Keep a piece of the body."""
        if not self.is_complete:
            self.body.append(body)

    def on_message_complete(self) -> None:
        """Note the end of the response: what llhttp tells afterwards is of no response."""
        self.is_complete = True


def _not_http() -> RequestFailed:
    return RequestFailed("protocol", "the response is not HTTP, or ended early")


def _parse(parser: httptools.HttpResponseParser, events: _Events, data: bytes) -> None:
    try:
        parser.feed_data(data)
    except (httptools.HttpParserError, httptools.HttpParserUpgrade) as error:
        if not events.is_complete:
            raise _not_http() from error


def _keeps(parser: httptools.HttpResponseParser, events: _Events) -> bool:
    options = b",".join(value for name, value in events.headers if name == b"connection")
    is_closed = b"close" in [option.strip() for option in options.lower().split(b",")]
    return not is_closed and parser.get_http_version() == "1.1"


def _unfolded(head: bytes) -> bytes:
    """Write headers of several lines on one (RFC 9112, 5.2); a fold of no header stays."""
    if b"\r\n " not in head and b"\r\n\t" not in head:
        return head
    status, _, lines = head.partition(b"\r\n")
    return head if lines[:1] in b" \t" else b"%b\r\n%b" % (status, _FOLD.sub(b" ", lines))


def _with_one_length(head: bytes) -> tuple[bytes, bool]:
    """Leave out the lengths that llhttp refuses and RFC 9112, 6.3, does not; whether chunks win."""
    plain = head.lower()
    lengths = plain.count(b"\n%b:" % _LENGTH)
    has_chunks = b"\n%b:" % _CODING in plain
    if lengths + has_chunks < 2:
        return head, False
    kept: list[bytes] = []
    told: set[bytes] = set()
    for line in head.split(b"\r\n"):
        name, _, value = line.partition(b":")
        if name.lower() != _LENGTH or not (has_chunks or value.strip() in told):
            kept.append(line)
        if name.lower() == _LENGTH:
            told.add(value.strip())
    return b"\r\n".join(kept), bool(lengths) and has_chunks
