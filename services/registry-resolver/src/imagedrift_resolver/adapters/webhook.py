"""The HTTP endpoint that registries notify of a push: `POST /`, one request per connection.

Served by asyncio and llhttp (httptools), which the resolver has anyway: one method, one path and
one answer need no web framework. A request is bounded in size and time before the secret is looked
at: how many connections there are, how many of them one address has, how long each takes, and how
many bytes.
"""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from http import HTTPStatus
from typing import Final

import httptools
import structlog

from imagedrift_resolver.core.notification import BODY_CAP, Unreadable, moved_tags
from imagedrift_resolver.core.webhook_auth import has_secret
from imagedrift_runtime import metrics
from imagedrift_runtime.process import NoPort
from imagedrift_schemas.reference import ImageReference

log = structlog.get_logger()

WITHIN_S: Final = 10.0
MOST_AT_ONCE: Final = 64
MOST_OF_ONE: Final = 32
"""Connections of one address; behind a proxy all have the same."""
HEADERS_CAP: Final = 64 * 1024
MOST_BYTES: Final = HEADERS_CAP + 2 * BODY_CAP
"""Bytes of a request: a body in chunks has some beside it."""

Moved = Callable[[tuple[ImageReference, ...]], Awaitable[int]]


class Webhook:
    """Takes notifications and hands on what has moved."""

    def __init__(self, secret: str, moved: Moved) -> None:
        self._secret = secret
        self._moved = moved
        self._open: Counter[str] = Counter()

    @asynccontextmanager
    async def serving(self, port: int, address: str) -> AsyncIterator[int]:
        """Serve while the context lasts; yields the port. Port 0 serves nothing.

        Raises `NoPort`.
        """
        if port == 0:
            yield 0
            return
        try:
            server = await asyncio.start_server(self._accept, address, port)
        except OSError as error:
            why = error.strerror or error
            raise NoPort(f"IMAGEDRIFT_WEBHOOK_PORT: {address}:{port}: {why}") from error
        try:
            yield int(server.sockets[0].getsockname()[1])
        finally:
            server.close()
            await server.wait_closed()

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        source = str((writer.get_extra_info("peername") or ("",))[0])
        if self._open.total() >= MOST_AT_ONCE or self._open[source] >= MOST_OF_ONE:
            metrics.notifications.add(outcome="refused")
            writer.transport.abort()  # who opens so many is not waited for
            return
        self._open[source] += 1
        try:
            await self._serve(reader, writer)
        finally:
            self._open[source] -= 1
            if not self._open[source]:
                del self._open[source]

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            async with asyncio.timeout(WITHIN_S):
                try:
                    status, text = await self._answer(await _read(reader))
                except _NoRequest as error:
                    status, text = 400, f"this is no request: {error}"
                writer.write(_response(status, text))
                await writer.drain()
        except (TimeoutError, OSError) as error:
            log.warning("notification.lost", error=repr(error))
        except Exception:
            log.exception("notification.failed")
        finally:
            writer.close()

    async def _answer(self, request: "_Request") -> tuple[int, str]:
        """Decide about a request: its status, and a sentence for who set it up."""
        if request.method != "POST":
            return 405, "send notifications by POST"
        body, target = bytes(request.body), request.target.decode("latin-1")
        if not request.is_complete:
            return 413, f"a notification has at most {BODY_CAP} bytes"
        if not has_secret(self._secret, target, request.headers, body):
            metrics.notifications.add(outcome="refused")
            log.warning("notification.refused")
            return 401, "show the secret: Authorization, X-Hub-Signature-256 or ?secret="
        try:
            references = moved_tags(body)
        except Unreadable as error:
            metrics.notifications.add(outcome="unreadable")
            log.warning("notification.unreadable", error=str(error))
            return 400, f"not understood: {error}"
        metrics.notifications.add(outcome="taken")
        asked = await self._moved(references)
        log.info("notification.taken", tags=len(references), asked=asked)
        return 202, f"{asked} of {len(references)} tags are looked up again"


class _NoRequest(Exception):
    """The bytes that came are no request of HTTP/1; the message says why."""


class _Request:
    """A request as llhttp tells it; of what follows its end nothing is kept."""

    def __init__(self) -> None:
        self.method = ""
        self.target = b""
        self.headers: dict[str, str] = {}
        """By lower-case name."""
        self.body = bytearray()
        self.has_head = False
        self.is_complete = False
        """False of one that is too large to be read to its end."""

    def on_url(self, url: bytes) -> None:
        """Keep the target, which may come in parts."""
        if not self.has_head:
            self.target += url

    def on_header(self, name: bytes, value: bytes) -> None:
        """Keep a header; a trailer is none."""
        if not self.has_head:
            self.headers[name.decode("latin-1").lower()] = value.decode("latin-1").strip(" \t")

    def on_headers_complete(self) -> None:
        """Note the end of the head."""
        self.has_head = True

    def on_body(self, body: bytes) -> None:
        """Keep a part of the body."""
        if not self.is_complete:
            self.body += body

    def on_message_complete(self) -> None:
        """Note the end of the request."""
        self.is_complete = True


async def _read(reader: asyncio.StreamReader) -> _Request:
    """Read a request, as far as it is not too large. Raises `_NoRequest`."""
    request = _Request()
    parser = httptools.HttpRequestParser(request)
    count = 0
    while not request.is_complete and len(request.body) <= BODY_CAP and count <= MOST_BYTES:
        data = await reader.read(HEADERS_CAP)
        if not data:
            raise _NoRequest("the connection ended")
        count += len(data)
        try:
            parser.feed_data(data)
        except (httptools.HttpParserError, httptools.HttpParserUpgrade) as error:
            if not request.is_complete:
                raise _NoRequest("HTTP/1 has no such bytes") from error
        if not request.has_head and count > HEADERS_CAP:
            raise _NoRequest("its headers are larger than 64 KiB")
        request.method = parser.get_method().decode() if request.has_head else ""
    if len(request.body) > BODY_CAP:
        request.is_complete = False
    return request


def _response(status: int, text: str) -> bytes:
    body = f"{text}\n".encode()
    head = (
        f"HTTP/1.1 {status} {HTTPStatus(status).phrase}\r\n"
        "Content-Type: text/plain; charset=utf-8\r\n"
        f"Content-Length: {len(body)}\r\n"
        "Connection: close\r\n\r\n"
    )
    return head.encode() + body
