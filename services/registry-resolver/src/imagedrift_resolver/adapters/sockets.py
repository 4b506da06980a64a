"""Connections for httpcore on plain asyncio, to addresses that were checked.

The name is resolved here, every address is checked, and the connection is made to the very address
that was checked: a name that resolves differently a moment later (DNS rebinding) gains nothing.
"""

import asyncio
import ssl
from collections.abc import Iterable
from typing import Any, Final

import httpcore

from imagedrift_resolver.core.address import address_fault

PAUSE_AT: Final = 256 * 1024
"""Bytes that may wait unread before the peer is told to slow down."""


class Forbidden(Exception):
    """Our own policy forbids every address of this name."""


class CheckedBackend(httpcore.AsyncNetworkBackend):
    """Connects to public addresses, and to others where `trusted`."""

    def __init__(self, *, trusted: bool) -> None:
        self._trusted = trusted

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,  # noqa: ASYNC109 - the base class's name
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore.AsyncNetworkStream:
        """Resolve, check and connect, one address after the other."""
        del local_address, socket_options
        try:
            async with asyncio.timeout(timeout):
                return await self._connect(host.strip("[]"), port)
        except TimeoutError as error:
            raise httpcore.ConnectTimeout("no connection in time") from error
        except OSError as error:
            raise httpcore.ConnectError(_words(error)) from error

    async def sleep(self, seconds: float) -> None:
        """Wait."""
        await asyncio.sleep(seconds)

    async def _connect(self, host: str, port: int) -> httpcore.AsyncNetworkStream:
        loop = asyncio.get_running_loop()
        found = await loop.getaddrinfo(host, port, type=1)  # SOCK_STREAM
        addresses = list(dict.fromkeys(str(entry[4][0]) for entry in found))
        allowed = [a for a in addresses if self._trusted or not address_fault(a)]
        if not allowed:
            fault = address_fault(addresses[0]) if addresses else "has no address"
            raise Forbidden(f"{host} {fault}")
        for address in allowed[:-1]:
            try:
                async with asyncio.timeout(2):
                    return await self._to(address, port)
            except OSError:  # the builtin TimeoutError is one
                continue
        return await self._to(allowed[-1], port)

    async def _to(self, address: str, port: int) -> httpcore.AsyncNetworkStream:
        loop = asyncio.get_running_loop()
        _, end = await loop.create_connection(_End, address, port)
        return _Stream(end)


class _End(asyncio.Protocol):
    """Our end of a connection: bytes that came and were not read yet, and whether it is over."""

    transport: asyncio.Transport

    def __init__(self) -> None:
        self.waiting = bytearray()
        self.over = False
        self.error: Exception | None = None
        self._reader: asyncio.Future[None] | None = None
        self._paused = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport  # type: ignore[assignment]  # a stream's, always

    def data_received(self, data: bytes) -> None:
        self.waiting += data
        if len(self.waiting) > PAUSE_AT and not self._paused:
            self._paused = True
            self.transport.pause_reading()
        self._wake()

    def eof_received(self) -> bool:
        self.over = True
        self._wake()
        return False

    def connection_lost(self, exc: Exception | None) -> None:
        self.over, self.error = True, exc
        self._wake()

    async def read(self, most: int) -> bytes:
        """Return what is there, or wait for more; nothing at the end."""
        if not self.waiting and not self.over:
            self._reader = asyncio.get_running_loop().create_future()
            try:
                await self._reader
            finally:
                self._reader = None
        if not self.waiting and self.error:
            raise httpcore.ReadError(_words(self.error))
        data = bytes(self.waiting[:most])
        del self.waiting[:most]
        if self._paused and len(self.waiting) < PAUSE_AT:
            self._paused = False
            self.transport.resume_reading()
        return data

    def _wake(self) -> None:
        if self._reader and not self._reader.done():
            self._reader.set_result(None)


class _Stream(httpcore.AsyncNetworkStream):
    """A connection in the form that httpcore wants."""

    def __init__(self, end: _End) -> None:
        self._end = end

    async def read(self, max_bytes: int, timeout: float | None = None) -> bytes:  # noqa: ASYNC109
        """Read some bytes; nothing when the peer has ended."""
        try:
            async with asyncio.timeout(timeout):
                return await self._end.read(max_bytes)
        except TimeoutError as error:
            raise httpcore.ReadTimeout("no response in time") from error

    async def write(self, buffer: bytes, timeout: float | None = None) -> None:  # noqa: ASYNC109
        """Write; requests are small, so nothing is waited for."""
        del timeout
        if self._end.over:
            raise httpcore.WriteError("the connection has ended")
        self._end.transport.write(buffer)

    async def aclose(self) -> None:
        """Close at once."""
        self._end.transport.abort()

    async def start_tls(
        self,
        ssl_context: ssl.SSLContext,
        server_hostname: str | None = None,
        timeout: float | None = None,  # noqa: ASYNC109
    ) -> httpcore.AsyncNetworkStream:
        """Go on in TLS, the certificate being checked against the name."""
        loop = asyncio.get_running_loop()
        try:
            async with asyncio.timeout(timeout):
                transport = await loop.start_tls(
                    self._end.transport,
                    self._end,
                    ssl_context,
                    server_hostname=(server_hostname or "").strip("[]"),
                )
        except TimeoutError as error:
            raise httpcore.ConnectTimeout("no TLS handshake in time") from error
        except (OSError, ValueError) as error:  # SSLError is an OSError
            raise httpcore.ConnectError(_words(error)) from error
        if transport is None:
            raise httpcore.ConnectError("the connection ended during the TLS handshake")
        self._end.connection_made(transport)
        return self

    def get_extra_info(self, info: str) -> Any:
        """Tell whether something has come (or ended) while nothing was asked."""
        if info == "is_readable":
            return self._end.over or bool(self._end.waiting)
        return None


def _words(error: Exception) -> str:
    """Say what is wrong with a connection, in an operator's words."""
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"its certificate is not trusted: {error.verify_message}"
    if isinstance(error, ssl.SSLError):
        return f"TLS failed: {(error.reason or 'unknown reason').replace('_', ' ').lower()}"
    if isinstance(error, ConnectionRefusedError):
        return "the connection was refused"
    if type(error).__name__ == "gaierror":
        return "its name does not resolve"
    strerror = getattr(error, "strerror", None)
    return str(strerror or type(error).__name__).lower()
