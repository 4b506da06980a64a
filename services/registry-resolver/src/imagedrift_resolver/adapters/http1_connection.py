"""One connection, as an httpx transport: one request at a time.

No byte after a response belongs to the next one (RFC 9112, 6.3). A connection that holds bytes
which were not asked for is not used again: after the response, while idle, or before a request.
"""

import time
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Final

import httpx

from imagedrift_resolver.adapters.http1_request import write_request
from imagedrift_resolver.adapters.http1_response import Head, ResponseParser
from imagedrift_resolver.adapters.proxy_tunnel import WANTS_CREDENTIAL, headers_for, refusal
from imagedrift_resolver.adapters.request_failed import RequestFailed
from imagedrift_resolver.adapters.socket_stream import SocketStream
from imagedrift_resolver.core.proxy import Proxy
from imagedrift_resolver.core.reply import HEARD

_HEARD: Final = frozenset(name.encode() for name in HEARD)

Release = Callable[["Http1Connection"], Awaitable[None]]
"""Takes a connection back, once the response was read or is given up."""


class Http1Connection(httpx.AsyncBaseTransport):
    """One connection. `proxy`: the one that is asked itself, in absolute form."""

    def __init__(
        self, stream: SocketStream, origin: str, proxy: Proxy | None, release: Release
    ) -> None:
        self._stream = stream
        self._prefix = origin.encode() if proxy else b""
        self._proxy = proxy
        self._for_proxy = headers_for(proxy) if proxy else ()
        self._release = release
        self._parser = ResponseParser("")
        self._idle_since = time.monotonic()
        self.has_response_begun = False
        """A byte came since the last request began."""
        self.is_out_of_step = False
        """Bytes came that were not asked for, or a response with two lengths."""

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Send one request; the body of the response is still to be read.

        Raises `RequestFailed`.
        """
        target = self._prefix + request.extensions["target"]
        headers = (*request.headers.raw, *self._for_proxy)
        data = write_request(request.method, target, headers, request.content)
        self._parser = ResponseParser(request.method)
        self.has_response_begun = False
        if self._stream.unread:
            self.is_out_of_step = True
            raise RequestFailed("protocol", "the server speaks before it is asked")
        self._stream.write(data)
        return self._response(await self._head())

    async def body(self) -> AsyncIterator[bytes]:
        """Return the body of the response, as it arrives. Raises `RequestFailed`."""
        while True:
            for piece in self._parser.read_body():
                yield piece
            if self._parser.is_complete:
                return
            await self._receive()

    async def release(self) -> None:
        """End the response, and give the connection back to be used again, or be closed."""
        await self._release(self)

    def finish(self) -> bool:
        """Tell whether the response was read to its end, and the connection can be used again."""
        parser = self._parser
        if not parser.is_complete or parser.head is None:
            return False
        if parser.has_trailing or self._stream.unread:
            self.is_out_of_step = True
        if self.is_out_of_step or self._stream.has_ended or not parser.head.keeps:
            return False
        self._idle_since = time.monotonic()
        return True

    @property
    def has_unasked(self) -> bool:
        """Tell whether bytes came that were not asked for."""
        return bool(self._stream.unread)

    def is_idle(self, most_s: float) -> bool:
        """Tell whether it may be used: nothing came, and it is idle for less than so long."""
        return not self._stream.is_readable and time.monotonic() - self._idle_since < most_s

    async def aclose(self) -> None:
        """Close the connection."""
        self._stream.close()

    async def _receive(self) -> None:
        data = await self._stream.read()
        self.has_response_begun = self.has_response_begun or bool(data)
        self._parser.feed(data)

    async def _head(self) -> Head:
        try:
            while (head := self._parser.read_head()) is None:
                await self._receive()
        finally:
            if not self._parser.is_http:  # late bytes of the response before
                self.is_out_of_step = True
        return head

    def _response(self, head: Head) -> httpx.Response:
        """Make httpx's response, with the headers that decide anything: no cookie ever comes in.

        A `Location` goes by an extension: httpx parses that header, even if it follows no
        redirect, and fails on a target that it cannot read. `core` decides about it.
        """
        self.is_out_of_step = head.has_two_lengths
        if head.status == WANTS_CREDENTIAL and self._proxy:
            raise RequestFailed("closed", refusal(self._proxy, head.status))
        heard = [each for each in head.headers if each[0] in _HEARD]
        return httpx.Response(
            head.status,
            headers=[each for each in heard if each[0] != b"location"],
            stream=_Body(self),
            extensions={"location": [each for each in heard if each[0] == b"location"]},
        )


class _Body(httpx.AsyncByteStream):
    """The body of a response, as it arrives."""

    def __init__(self, connection: Http1Connection) -> None:
        self._connection = connection

    def __aiter__(self) -> AsyncIterator[bytes]:
        return self._connection.body()

    async def aclose(self) -> None:
        await self._connection.release()
