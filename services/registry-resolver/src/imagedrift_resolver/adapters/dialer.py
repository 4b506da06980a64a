"""Connections to addresses that were checked, raced against each other (RFC 8305).

- The name is resolved here, every address is checked, and the connection is made to the very
  address that was checked: a name that resolves differently a moment later (DNS rebinding) gains
  nothing.
- The families take turns, IPv6 first; the next attempt starts a quarter of a second after the last
  one, or at once when that one fails. The first that connects wins, the others are closed.
- The address that worked is tried first the next time. One that accepts and then leaves TLS
  unanswered gives way to the others after `secure_within_s`.
"""

import asyncio
import ssl
from collections import OrderedDict
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Final, Protocol

from imagedrift_resolver.adapters.host_names import LookUp, NameLimits, Names
from imagedrift_resolver.adapters.network import SystemNetwork
from imagedrift_resolver.adapters.proxy_tunnel import tunnel
from imagedrift_resolver.adapters.request_failed import RequestFailed
from imagedrift_resolver.adapters.routes import ConnectionRoute
from imagedrift_resolver.adapters.socket_stream import SocketStream
from imagedrift_resolver.core.proxy import Proxy, unresolved_fault
from imagedrift_resolver.core.url import Url
from imagedrift_runtime.clock import Clock
from imagedrift_schemas.network_address import address_fault, metadata_fault

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


class Network(Protocol):
    """Sockets. Raises `RequestFailed` and `OSError`."""

    async def race(self, addresses: Sequence[str], port: int) -> tuple[str, SocketStream]:
        """Connect to the first address that answers; which one, and the connection."""

    async def secure(self, stream: SocketStream, context: ssl.SSLContext, host: str) -> None:
        """Begin TLS on a connection."""


def system_dialer(look_up: LookUp, clock: Clock) -> "Dialer":
    """Make a dialer on this machine's sockets."""
    return Dialer(Names(look_up, NameLimits(), clock), SystemNetwork(), SECURE_WITHIN_S)


class Dialer:
    """Opens connections, and remembers which address of a name works."""

    def __init__(self, names: Names, network: Network, secure_within_s: float) -> None:
        self._names = names
        self._network = network
        self._secure_within_s = secure_within_s
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

    async def close(self) -> None:
        """Wait for no look-up any longer."""
        await self._names.close()

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
            await self._network.secure(stream, context, url.host.strip("[]"))
        return stream

    async def _reach(
        self, host: str, port: int, context: ssl.SSLContext | None, *, trusted: bool
    ) -> SocketStream:
        addresses = await self._allowed(host, port, trusted)
        while True:
            address, stream = await self._network.race(addresses, port)
            addresses.remove(address)
            try:
                with _closing_on_error(stream):
                    if context is not None:
                        async with asyncio.timeout(self._secure_within_s if addresses else None):
                            await self._network.secure(stream, context, host)
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
    """Close a connection that is given up, for any reason."""
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
