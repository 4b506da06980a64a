"""One connection, as an httpx transport over h11, which is what httpx speaks HTTP/1.1 with.

No byte after a response belongs to the next one (RFC 9112, 6.3). A connection that holds bytes
nobody asked for is not used again: after the response, while it is idle, or before a request.
"""

import time
from collections.abc import AsyncIterator
from functools import lru_cache
from typing import Any, Final

import h11
import httpx

from imagedrift_resolver.adapters.blanks import Blanks
from imagedrift_resolver.adapters.proxying import headers_for
from imagedrift_resolver.adapters.sockets import Broken, End
from imagedrift_resolver.core.proxy import Proxy

IDLE_S: Final = 15.0
HEADERS_CAP: Final = 64 * 1024
MOST_INTERIM: Final = 8


class Line(httpx.AsyncBaseTransport):
    """One connection, as an httpx transport: one request at a time."""

    def __init__(self, end: End, proxy: Proxy | None = None, origin: str = "") -> None:
        self._end = end
        self._prefix = origin.encode() if proxy else b""
        """What stands before the path in absolute form, as a proxy wants it."""
        self._for_proxy = tuple(
            (name.encode(), value.encode()) for name, value in (headers_for(proxy) if proxy else ())
        )
        self._http = h11.Connection(h11.CLIENT, max_incomplete_event_size=HEADERS_CAP)
        self._blanks = Blanks()
        self._free_since = time.monotonic()
        self.is_answered = False
        """Whether a byte came since the last request began."""
        self.is_off = False
        """Whether bytes came that nobody asked for, or a response with two lengths."""

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Send one request; the response's body is still to be read. Raises `Broken`."""
        content = await request.aread()
        head = h11.Request(
            method=request.method,
            target=self._prefix + request.url.raw_path,
            headers=_checked((*request.headers.raw, *self._for_proxy)),
        )
        data = self._http.send(head) or b""
        data += (self._http.send(h11.Data(data=content)) or b"") if content else b""
        data += self._http.send(h11.EndOfMessage()) or b""
        self.is_answered = False
        if self._end.waiting:
            self.is_off = True
            raise Broken("the server speaks before it is asked")
        self._end.write(data)
        for _ in range(MOST_INTERIM):
            event = await self.next_event()
            if isinstance(event, h11.Response):
                names = [name for name, _ in event.headers]
                self.is_off = b"transfer-encoding" in names and b"content-length" in names
                return httpx.Response(
                    event.status_code, headers=list(event.headers), stream=_Body(self)
                )
        raise Broken("the response never begins")

    async def next_event(self) -> Any:
        """Return the next part of the response."""
        while True:
            event = self._http.next_event()
            if event is h11.NEED_DATA:
                data = await self._end.read()
                self.is_answered = self.is_answered or bool(data)
                if self._blanks.are_too_many(data):
                    raise Broken(
                        "the response has more blanks in a row than any that is meant well"
                    )
                self._http.receive_data(data)
            elif event is h11.PAUSED or isinstance(event, h11.ConnectionClosed):
                raise Broken("the connection ended without a response")
            else:
                return event

    def finish(self) -> bool:
        """Tell whether the response was read to its end, and the connection can be used again."""
        self.is_off = self.is_off or bool(self._http.trailing_data[0] or self._end.waiting)
        is_done = self._http.our_state is h11.DONE and self._http.their_state is h11.DONE
        if is_done and not self.is_off and not self._end.over:
            self._http.start_next_cycle()
            self._free_since = time.monotonic()
            return True
        return False

    @property
    def has_unasked(self) -> bool:
        """Tell whether bytes came that nobody asked for."""
        return bool(self._end.waiting)

    @property
    def is_free(self) -> bool:
        """Tell whether nothing came, and not too much time went by, since the last response."""
        return not self._end.is_readable and time.monotonic() - self._free_since < IDLE_S

    async def aclose(self) -> None:
        """Close the connection."""
        self._end.close()


class _Body(httpx.AsyncByteStream):
    """The body of a response, as it arrives."""

    def __init__(self, line: Line) -> None:
        self._line = line

    async def __aiter__(self) -> AsyncIterator[bytes]:
        while isinstance(event := await self._line.next_event(), h11.Data):
            yield bytes(event.data)


@lru_cache(maxsize=256)
def _checked(raw: tuple[tuple[bytes, bytes], ...]) -> Any:
    """Give headers h11's form, which checks every byte of them."""
    return h11.Request(method="GET", target="/", headers=list(raw)).headers
