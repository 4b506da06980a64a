"""A connection of uvicorn that has to send its requests in time.

uvicorn closes a connection that is idle after a response. One that sends nothing, or the half of
a request, it would keep for ever.
"""

import asyncio
from typing import ClassVar, Final

from uvicorn.protocols.http.h11_impl import H11Protocol, RequestResponseCycle

REQUEST_WITHIN_S: Final = 10.0
"""How long a request may take to come, from the connection or the response before it."""


class BoundedConnection(H11Protocol):
    """A connection that is closed where no whole request comes within the bound."""

    request_within_s: ClassVar[float] = REQUEST_WITHIN_S
    _due: asyncio.TimerHandle | None = None

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

    def _unsupported_upgrade_warning(self) -> None:
        """Log nothing where a client asks for another protocol: it is answered without."""

    def _expect_request(self) -> None:
        cycle: RequestResponseCycle | None = self.cycle  # none before the first request
        is_answering = cycle is not None and not cycle.response_complete
        if is_answering or self.transport.is_closing():
            self._expect_nothing()
        elif self._due is None:
            self._due = self.loop.call_later(self.request_within_s, self.transport.close)

    def _expect_nothing(self) -> None:
        if self._due is not None:
            self._due.cancel()
            self._due = None
