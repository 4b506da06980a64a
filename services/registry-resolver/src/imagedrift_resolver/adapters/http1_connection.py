"""One connection over h11, as an httpx transport: one request at a time.

No byte after a response belongs to the next one (RFC 9112, 6.3). A connection that holds bytes
which were not asked for is not used again: after the response, while idle, or before a request.
"""

import time
from collections.abc import AsyncIterator, Awaitable, Callable
from functools import lru_cache
from typing import Any, Final

import h11

from imagedrift_resolver.adapters.header_guard import HeaderGuard
from imagedrift_resolver.adapters.proxy_tunnel import WANTS_CREDENTIAL, headers_for, refusal
from imagedrift_resolver.adapters.request_failed import RequestFailed
from imagedrift_resolver.adapters.socket_stream import SocketStream
from imagedrift_resolver.core.proxy import Proxy
from imagedrift_resolver.core.reply import HEARD
from imagedrift_runtime.httpx_library import httpx

HEADERS_CAP: Final = 64 * 1024
MOST_INTERIM: Final = 8
_HEARD: Final = frozenset(name.encode() for name in HEARD)

ReleaseConnection = Callable[["Http1Connection"], Awaitable[None]]
"""Takes a connection back, once the response was read or is given up."""


class Http1Connection(httpx.AsyncBaseTransport):
    """One connection. `proxy`: the one that is asked itself, in absolute form."""

    def __init__(
        self, stream: SocketStream, origin: str, proxy: Proxy | None, release: ReleaseConnection
    ) -> None:
        self._stream = stream
        self._prefix = origin.encode() if proxy else b""
        self._proxy = proxy
        self._for_proxy = tuple(
            (name.encode(), value.encode()) for name, value in (headers_for(proxy) if proxy else ())
        )
        self._release = release
        self._http = h11.Connection(h11.CLIENT, max_incomplete_event_size=HEADERS_CAP)
        self._guard = HeaderGuard()
        self._idle_since = time.monotonic()
        self.has_response_begun = False
        """A byte came since the last request began."""
        self.is_out_of_step = False
        """Bytes came that were not asked for, or a response with two lengths."""

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Send one request; the body of the response is still to be read.

        Raises `RequestFailed`.
        """
        content = await request.aread()
        try:
            head = h11.Request(
                method=request.method,
                target=self._prefix + request.extensions["target"],
                headers=_checked((*request.headers.raw, *self._for_proxy)),
            )
        except h11.LocalProtocolError as error:
            raise RequestFailed("protocol", "the request has a byte that HTTP forbids") from error
        data = self._http.send(head) or b""
        data += (self._http.send(h11.Data(data=content)) or b"") if content else b""
        data += self._http.send(h11.EndOfMessage()) or b""
        self.has_response_begun = False
        if self._stream.unread:
            self.is_out_of_step = True
            raise RequestFailed("protocol", "the server speaks before it is asked")
        self._stream.write(data)
        return self._response(await self._head())

    async def next_event(self) -> Any:
        """Return the next part of the response. Raises `RequestFailed`."""
        while True:
            try:
                event = self._http.next_event()
            except h11.ProtocolError as error:
                why = "the response is not HTTP, or ended early"
                raise RequestFailed("protocol", why) from error
            if event is h11.NEED_DATA:
                await self._receive()
            elif event is h11.PAUSED or isinstance(event, h11.ConnectionClosed):
                raise RequestFailed("closed", "the connection ended without a response")
            else:
                return event

    async def release(self) -> None:
        """End the response, and give the connection back to be used again, or be closed."""
        await self._release(self)

    def finish(self) -> bool:
        """Tell whether the response was read to its end, and the connection can be used again."""
        unasked = self._http.trailing_data[0] or self._stream.unread
        self.is_out_of_step = self.is_out_of_step or bool(unasked)
        is_done = self._http.our_state is h11.DONE and self._http.their_state is h11.DONE
        if is_done and not self.is_out_of_step and not self._stream.has_ended:
            self._http.start_next_cycle()
            self._idle_since = time.monotonic()
            return True
        return False

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
        if self._guard.is_hostile(data):
            why = "the response has more blanks in a row than any real header"
            raise RequestFailed("protocol", why)
        self._http.receive_data(data)

    async def _head(self) -> h11.Response:
        for _ in range(MOST_INTERIM):
            event = await self.next_event()
            if isinstance(event, h11.Response):
                return event
        raise RequestFailed("protocol", "the response never begins")

    def _response(self, head: h11.Response) -> httpx.Response:
        """Make httpx's response, with the headers that decide anything: no cookie ever comes in.

        A `Location` goes by an extension: httpx parses that header, even if it follows no
        redirect, and fails on a target that it cannot read. `core` decides about it.
        """
        names = [name for name, _ in head.headers]
        self.is_out_of_step = b"transfer-encoding" in names and b"content-length" in names
        if head.status_code == WANTS_CREDENTIAL and self._proxy:
            raise RequestFailed("closed", refusal(self._proxy, head.status_code))
        heard = [(name, value) for name, value in head.headers if name in _HEARD]
        return httpx.Response(
            head.status_code,
            headers=[each for each in heard if each[0] != b"location"],
            stream=_Body(self),
            extensions={"location": [each for each in heard if each[0] == b"location"]},
        )


class _Body(httpx.AsyncByteStream):
    """The body of a response, as it arrives."""

    def __init__(self, connection: Http1Connection) -> None:
        self._connection = connection

    async def __aiter__(self) -> AsyncIterator[bytes]:
        while isinstance(event := await self._connection.next_event(), h11.Data):
            yield bytes(event.data)

    async def aclose(self) -> None:
        await self._connection.release()


@lru_cache(maxsize=256)
def _checked(raw: tuple[tuple[bytes, bytes], ...]) -> Any:
    """Give headers h11's form, which checks every byte of them."""
    return h11.Request(method="GET", target="/", headers=list(raw)).headers
