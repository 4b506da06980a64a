"""One connection, as an httpx transport over h11, which is what httpx speaks HTTP/1.1 with."""

import time
from collections.abc import AsyncIterator
from functools import lru_cache
from typing import Any, Final

import h11
import httpx

from imagedrift_resolver.adapters.blanks import Blanks
from imagedrift_resolver.adapters.sockets import Broken, End

IDLE_S: Final = 15.0
HEADERS_CAP: Final = 64 * 1024
MOST_INTERIM: Final = 8


class Line(httpx.AsyncBaseTransport):
    """One connection, as an httpx transport: one request at a time."""

    def __init__(self, end: End) -> None:
        self._end = end
        self._http = h11.Connection(h11.CLIENT, max_incomplete_event_size=HEADERS_CAP)
        self._blanks = Blanks()
        self._free_since = time.monotonic()
        self.is_answered = False
        """Whether a byte came since the last request began."""

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Send one request; the response's body is still to be read. Raises `Broken`."""
        content = await request.aread()
        head = h11.Request(
            method=request.method,
            target=request.url.raw_path,
            headers=_checked(tuple(request.headers.raw)),
        )
        data = self._http.send(head) or b""
        data += (self._http.send(h11.Data(data=content)) or b"") if content else b""
        data += self._http.send(h11.EndOfMessage()) or b""
        self.is_answered = False
        self._end.write(data)
        for _ in range(MOST_INTERIM):
            event = await self.next_event()
            if isinstance(event, h11.Response):
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
        if self._http.our_state is h11.DONE and self._http.their_state is h11.DONE:
            self._http.start_next_cycle()
            self._free_since = time.monotonic()
            return True
        return False

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


@lru_cache(maxsize=1024)
def _checked(raw: tuple[tuple[bytes, bytes], ...]) -> Any:
    """Give headers h11's form, which checks every byte of them."""
    return h11.Request(method="GET", target="/", headers=list(raw)).headers
