"""A connection of uvicorn whose client has to send requests, and to take responses, in time.

uvicorn closes a connection that is idle after a response. One that sends nothing, or the half of
a request, it would keep for ever; so it would one that takes nothing of what it asked for.
"""

import asyncio
from typing import ClassVar, Final

from uvicorn.protocols.http.h11_impl import H11Protocol, RequestResponseCycle

REQUEST_WITHIN_S: Final = 10.0
"""How long a request may take to come, from the connection or the response before it."""
TAKEN_WITHIN_S: Final = 30.0
"""How long a client may take nothing; the system notes some ten KB at a time, see `SEND_BUFFER`."""
SEND_BUFFER: Final = 64 * 1024
"""Bytes that the system may keep for a client: it would let it take megabytes before it says so."""


class BoundedConnection(H11Protocol):
    """A connection that ends where no whole request comes within the bound, or nothing is taken."""

    request_within_s: ClassVar[float] = REQUEST_WITHIN_S
    taken_within_s: ClassVar[float] = TAKEN_WITHIN_S
    _due: asyncio.TimerHandle | None = None
    _untaken: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Expect the first request."""
        super().connection_made(transport)
        self._expect_request()

    def data_received(self, data: bytes) -> None:
        """Read on: a request may have come with it."""
        super().data_received(data)
        self._expect_request()

    def on_response_complete(self) -> None:
        """Expect the next request."""
        super().on_response_complete()
        self._expect_request()

    def connection_lost(self, exc: Exception | None) -> None:
        """Expect nothing more."""
        super().connection_lost(exc)
        self._expect_nothing()
        self._note_taken()

    def pause_writing(self) -> None:
        """Expect that the written bytes are taken."""
        super().pause_writing()
        self._expect_taken()

    def resume_writing(self) -> None:
        """Go on: most was taken."""
        super().resume_writing()
        self._note_taken()

    def _unsupported_upgrade_warning(self) -> None:
        """Log nothing where a client asks for another protocol: it is answered without."""

    def _expect_request(self) -> None:
        cycle: RequestResponseCycle | None = self.cycle  # none before the first request
        is_answering = cycle is not None and not cycle.response_complete
        if is_answering:
            self._expect_nothing()
        elif self.transport.is_closing():
            self._expect_nothing()
            self._expect_taken()
        elif self._due is None:
            self._due = self.loop.call_later(self.request_within_s, self._close)

    def _expect_nothing(self) -> None:
        if self._due is not None:
            self._due.cancel()
            self._due = None

    def _close(self) -> None:
        self.transport.close()
        self._expect_taken()

    def _expect_taken(self) -> None:
        if self._untaken is None:
            left = self.transport.get_write_buffer_size()
            self._untaken = self.loop.call_later(self.taken_within_s, self._end_untaken, left)

    def _end_untaken(self, left_before: int) -> None:
        self._untaken = None
        if self.transport.get_write_buffer_size() < left_before:
            self._expect_taken()
        else:
            self.transport.abort()

    def _note_taken(self) -> None:
        if self._untaken is not None:
            self._untaken.cancel()
            self._untaken = None
