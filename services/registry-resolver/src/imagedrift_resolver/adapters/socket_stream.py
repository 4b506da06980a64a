"""Our end of a connection on plain asyncio: reads of any size, and a look before a reuse."""

import asyncio
import select
from typing import Final

from imagedrift_resolver.adapters.request_failed import RequestFailed

PAUSE_AT: Final = 256 * 1024
"""Bytes that may wait unread before the peer is told to slow down."""


class SocketStream(asyncio.Protocol):
    """Our end of a connection: bytes that came and were not read yet, and whether it has ended."""

    transport: asyncio.Transport

    def __init__(self) -> None:
        self.unread = bytearray()
        self.has_ended = False
        self.error: Exception | None = None
        self._reader: asyncio.Future[None] | None = None
        self._paused = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the transport."""
        self.transport = transport  # type: ignore[assignment]  # a stream's, always

    def data_received(self, data: bytes) -> None:
        """Keep the data, and slow the peer down while it is not read."""
        self.unread += data
        if len(self.unread) > PAUSE_AT and not self._paused:
            self._paused = True
            self.transport.pause_reading()
        self._wake()

    def eof_received(self) -> bool:
        """End as well: the peer has."""
        self.has_ended = True
        self._wake()
        return False

    def connection_lost(self, exc: Exception | None) -> None:
        """Note the end, and why."""
        self.has_ended, self.error = True, exc
        self._wake()

    async def read(self) -> bytes:
        """Return the data that is there, or wait for some; empty at the end.

        Raises `RequestFailed`.
        """
        if not self.unread and not self.has_ended:
            self._reader = asyncio.get_running_loop().create_future()
            try:
                await self._reader
            finally:
                self._reader = None
        if not self.unread and self.error:
            raise RequestFailed.of(self.error, "the connection broke: ")
        data = bytes(self.unread)
        self.unread.clear()
        if self._paused:
            self._paused = False
            self.transport.resume_reading()
        return data

    def write(self, data: bytes) -> None:
        """Write; requests are small, so the write is not waited for. Raises `RequestFailed`."""
        if self.has_ended:
            raise RequestFailed("closed", "the connection has ended")
        self.transport.write(data)

    @property
    def is_readable(self) -> bool:
        """Tell whether data or the end has come: kept here, or still in the kernel."""
        return self.has_ended or bool(self.unread) or self._has_unread()

    def _has_unread(self) -> bool:
        number = self.transport.get_extra_info("socket").fileno()
        if number < 0:
            return True
        poll = select.poll()
        poll.register(number, select.POLLIN)
        return bool(poll.poll(0))

    def close(self) -> None:
        """Close at once."""
        self.transport.abort()

    def _wake(self) -> None:
        if self._reader and not self._reader.done():
            self._reader.set_result(None)
