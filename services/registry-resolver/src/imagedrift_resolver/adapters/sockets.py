"""Connections on plain asyncio, to addresses that were checked.

The name is resolved here, every address is checked, and the connection is made to the very address
that was checked: a name that resolves differently a moment later (DNS rebinding) gains nothing.
"""

import asyncio
import ssl
from typing import Final

from imagedrift_resolver.core.address import address_fault
from imagedrift_resolver.core.url import Url

NEXT_ADDRESS_S: Final = 2.0
"""How long one address is tried when there is another one."""
PAUSE_AT: Final = 256 * 1024
"""Bytes that may wait unread before the peer is told to slow down."""


class Broken(Exception):
    """There is no connection, or no longer; the message says why, in an operator's words."""


class Forbidden(Exception):
    """Our own policy forbids every address of this name."""


async def connect(url: Url, *, trusted: bool, context: ssl.SSLContext, within_s: float) -> "End":
    """Resolve, check and connect, one address after the other, and go on in TLS for https.

    `trusted`: any address will do, not only public ones. Raises `Forbidden` and `Broken`.
    """
    host = url.host.strip("[]")
    try:
        async with asyncio.timeout(within_s):
            end = await _reach(host, url.port, trusted)
            if url.scheme == "https":
                await _secure(end, context, host)
    except TimeoutError as error:
        raise Broken(f"no connection within {within_s:.0f} s") from error
    except (OSError, ValueError) as error:  # a name that TLS cannot take is a ValueError
        raise Broken(_words(error)) from error
    return end


async def _reach(host: str, port: int, trusted: bool) -> "End":
    loop = asyncio.get_running_loop()
    found = await loop.getaddrinfo(host, port, type=1)  # SOCK_STREAM
    addresses = list(dict.fromkeys(str(entry[4][0]) for entry in found))
    allowed = [a for a in addresses if trusted or not address_fault(a)]
    if not allowed:
        raise Forbidden(f"{host} {address_fault(addresses[0]) if addresses else 'has no address'}")
    for address in allowed[:-1]:
        try:
            async with asyncio.timeout(NEXT_ADDRESS_S):
                return (await loop.create_connection(End, address, port))[1]
        except OSError:  # the builtin TimeoutError is one
            continue
    return (await loop.create_connection(End, allowed[-1], port))[1]


async def _secure(end: "End", context: ssl.SSLContext, host: str) -> None:
    loop = asyncio.get_running_loop()
    transport = await loop.start_tls(end.transport, end, context, server_hostname=host)
    if transport is None:
        raise Broken("the connection ended during the TLS handshake")
    end.connection_made(transport)


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
            raise Broken(f"the connection broke: {_words(self.error)}")
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
        """Tell whether something has come, or the end."""
        return self.over or bool(self.waiting)

    def close(self) -> None:
        """Close at once."""
        self.transport.abort()

    def _wake(self) -> None:
        if self._reader and not self._reader.done():
            self._reader.set_result(None)


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
