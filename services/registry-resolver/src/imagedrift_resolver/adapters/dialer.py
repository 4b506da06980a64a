"""Connections to addresses that were checked, raced against each other (RFC 8305).

- The name is resolved here, every address is checked, and the connection is made to the very
  address that was checked: a name that resolves differently a moment later (DNS rebinding) gains
  nothing.
- The families take turns, IPv6 first; the next attempt starts `NEXT_AFTER_S` after the last one, or
  at once when that one fails. The first that connects wins, the others are closed.
- The address that worked is tried first the next time. One that accepts and then leaves TLS
  unanswered gives way to the others after `SECURE_WITHIN_S`.
"""

import asyncio
import ssl
from collections import OrderedDict
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from socket import AF_INET, AF_INET6, IPPROTO_TCP, SOCK_STREAM, if_nametoindex, socket
from typing import Any, Final

import aiohappyeyeballs

from imagedrift_resolver.adapters.names import Names
from imagedrift_resolver.adapters.proxy_tunnel import tunnel
from imagedrift_resolver.adapters.request_failed import RequestFailed
from imagedrift_resolver.adapters.routes import ConnectionRoute
from imagedrift_resolver.adapters.socket_stream import SocketStream
from imagedrift_resolver.core.address import address_fault, metadata_fault
from imagedrift_resolver.core.proxy import Proxy, unresolved_fault
from imagedrift_resolver.core.url import Url

NEXT_AFTER_S: Final = 0.25
SECURE_WITHIN_S: Final = 2.0
"""How long a TLS handshake may take while there is another address."""
MOST_ADDRESSES: Final = 16
MOST_REMEMBERED: Final = 10_000
HOW_TO_ALLOW: Final = (
    "if it may be asked, name it in registries.toml: as a registry, or in storage_hosts or realms "
    "of the registry that leads there"
)

Endpoint = tuple[str, int]
"""A host and a port."""


class Dialer:
    """Opens connections, and remembers which address of a name works."""

    def __init__(self, names: Names) -> None:
        self._names = names
        self._worked: OrderedDict[Endpoint, str] = OrderedDict()

    async def connect(
        self, url: Url, route: ConnectionRoute, *, trusted: bool, within_s: float
    ) -> SocketStream:
        """Connect to a url's host, through its proxy where it has one, in TLS for https.

        `trusted`: any address will do, not only public ones. Raises `RequestFailed`.
        """
        host = url.host.strip("[]")
        context = route.context if url.scheme == "https" else None
        try:
            async with asyncio.timeout(within_s):
                if route.proxy is None:
                    return await self._reach(host, url.port, context, trusted=trusted)
                if fault := metadata_fault(host):
                    raise RequestFailed("forbidden", f"{host} {fault}, which is never asked")
                if not trusted and (fault := unresolved_fault(host)):
                    raise RequestFailed("forbidden", f"{host} {fault}: {HOW_TO_ALLOW}")
                return await self._reach_through(route.proxy, url, context)
        except TimeoutError as error:
            why = f"no connection within {within_s:g} s"
            raise RequestFailed("connect_timeout", why) from error
        except (OSError, ValueError) as error:  # a name that TLS cannot take is a ValueError
            raise RequestFailed.of(error) from error

    async def _reach_through(
        self, proxy: Proxy, url: Url, context: ssl.SSLContext | None
    ) -> SocketStream:
        try:
            stream = await self._reach(
                proxy.url.host.strip("[]"), proxy.url.port, None, trusted=True
            )
        except RequestFailed as error:
            raise RequestFailed(error.kind, f"{proxy}: {error}") from error
        except OSError as error:
            raise RequestFailed.of(error, f"{proxy}: ") from error
        if context is None:
            return stream
        with _closing_on_error(stream):
            await tunnel(stream, proxy, url)
            await _secure(stream, context, url.host.strip("[]"))
        return stream

    async def _reach(
        self, host: str, port: int, context: ssl.SSLContext | None, *, trusted: bool
    ) -> SocketStream:
        addresses = await self._allowed(host, port, trusted)
        while True:
            address, stream = await _race(addresses, port)
            addresses.remove(address)
            try:
                with _closing_on_error(stream):
                    if context is not None:
                        async with asyncio.timeout(SECURE_WITHIN_S if addresses else None):
                            await _secure(stream, context, host)
            except (TimeoutError, ConnectionError):
                self._worked.pop((host, port), None)
                if not addresses:
                    raise
            else:
                self._remember((host, port), address)
                return stream

    async def _allowed(self, host: str, port: int, trusted: bool) -> list[str]:
        found = await self._names.addresses(host)
        fault = metadata_fault if trusted else address_fault
        allowed = [each for each in found if not fault(each)]
        if not allowed:
            why = metadata_fault(found[0])
            raise RequestFailed(
                "forbidden",
                f"{host} {why}, which is never asked"
                if why
                else f"{host} {address_fault(found[0])}: {HOW_TO_ALLOW}",
            )
        return in_turn(allowed, self._worked.get((host, port), ""))[:MOST_ADDRESSES]

    def _remember(self, endpoint: Endpoint, address: str) -> None:
        self._worked[endpoint] = address
        self._worked.move_to_end(endpoint)
        if len(self._worked) > MOST_REMEMBERED:
            self._worked.popitem(last=False)


@contextmanager
def _closing_on_error(stream: SocketStream) -> Iterator[None]:
    """Close a connection that is given up, whatever the reason."""
    try:
        yield
    except BaseException:
        stream.close()
        raise


def in_turn(addresses: Sequence[str], first: str = "") -> list[str]:
    """Order addresses: the one that worked, then the families in turn, IPv6 first."""
    six = [each for each in addresses if ":" in each and each != first]
    four = [each for each in addresses if ":" not in each and each != first]
    families = (four, six) if ":" in first else (six, four)
    turns = [
        family[at]
        for at in range(max(len(six), len(four)))
        for family in families
        if at < len(family)
    ]
    return [first, *turns] if first in addresses else turns


async def _race(addresses: Sequence[str], port: int) -> tuple[str, SocketStream]:
    """Connect to the first address that answers; which one, and the connection."""
    try:
        connected = await aiohappyeyeballs.start_connection(
            [_info(address, port) for address in addresses],
            happy_eyeballs_delay=NEXT_AFTER_S,
            interleave=0,
        )
    except OSError as error:
        if error.errno is None:  # several addresses, several reasons
            why = f"none of its {len(addresses)} addresses can be connected to"
            raise RequestFailed("closed", why) from error
        raise
    try:
        address = _answering(connected, addresses)
        _, stream = await asyncio.get_running_loop().create_connection(SocketStream, sock=connected)
    except BaseException:
        connected.close()
        raise
    return address, stream


def _info(address: str, port: int) -> Any:
    text, _, scope = address.partition("%")
    if ":" not in text:
        return AF_INET, SOCK_STREAM, IPPROTO_TCP, "", (text, port)
    number = if_nametoindex(scope) if scope else 0
    return AF_INET6, SOCK_STREAM, IPPROTO_TCP, "", (text, port, 0, number)


def _answering(connected: socket, addresses: Sequence[str]) -> str:
    peer = str(connected.getpeername()[0])
    return peer if peer in addresses else addresses[0]


async def _secure(stream: SocketStream, context: ssl.SSLContext, host: str) -> None:
    loop = asyncio.get_running_loop()
    transport = await loop.start_tls(stream.transport, stream, context, server_hostname=host)
    if transport is None:
        raise RequestFailed("tls", "the connection ended during the TLS handshake")
    stream.connection_made(transport)
