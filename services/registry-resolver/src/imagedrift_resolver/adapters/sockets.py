"""Our end of a connection on plain asyncio, and what can go wrong with one, in words."""

import asyncio
import os
import select
import ssl
from typing import Final

PAUSE_AT: Final = 256 * 1024
"""Bytes that may wait unread before the peer is told to slow down."""


class Broken(Exception):
    """There is no connection, or no longer; the message says why, in an operator's words."""


class Forbidden(Exception):
    """Our own policy forbids every address of this name."""


class End(asyncio.Protocol):
    """Our end of a connection: bytes that came and were not read yet, and whether it is over."""

    transport: asyncio.Transport

    def __init__(self) -> None:
        self.waiting = bytearray()
        self.over = False
        self.error: Exception | None = None
        self._reader: asyncio.Future[None] | None = None
        self._paused = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the transport."""
        self.transport = transport  # type: ignore[assignment]  # a stream's, always

    def data_received(self, data: bytes) -> None:
        """Keep what came, and slow the peer down when nobody reads it."""
        self.waiting += data
        if len(self.waiting) > PAUSE_AT and not self._paused:
            self._paused = True
            self.transport.pause_reading()
        self._wake()

    def eof_received(self) -> bool:
        """The peer has ended; so do we."""
        self.over = True
        self._wake()
        return False

    def connection_lost(self, exc: Exception | None) -> None:
        """Note that it is over, and why."""
        self.over, self.error = True, exc
        self._wake()

    async def read(self) -> bytes:
        """Return what is there, or wait for more; nothing at the end. Raises `Broken`."""
        if not self.waiting and not self.over:
            self._reader = asyncio.get_running_loop().create_future()
            try:
                await self._reader
            finally:
                self._reader = None
        if not self.waiting and self.error:
            raise Broken(f"the connection broke: {in_words(self.error)}")
        data = bytes(self.waiting)
        self.waiting.clear()
        if self._paused:
            self._paused = False
            self.transport.resume_reading()
        return data

    def write(self, data: bytes) -> None:
        """Write; requests are small, so nothing is waited for. Raises `Broken`."""
        if self.over:
            raise Broken("the connection has ended")
        self.transport.write(data)

    @property
    def is_readable(self) -> bool:
        """Tell whether something has come, or the end: read already, or still in the kernel."""
        return self.over or bool(self.waiting) or self._has_unread()

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


def in_words(error: Exception) -> str:
    """Say what is wrong with a connection, in an operator's words."""
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"its certificate is not trusted: {error.verify_message}"
    if isinstance(error, ssl.SSLError):
        return f"TLS failed: {(error.reason or 'unknown reason').replace('_', ' ').lower()}"
    if isinstance(error, ConnectionRefusedError):
        return "the connection was refused"
    if type(error).__name__ == "gaierror":
        return "its name does not resolve"
    number = getattr(error, "errno", None)
    strerror = os.strerror(number) if number else getattr(error, "strerror", None)
    return str(strerror or type(error).__name__).lower()
