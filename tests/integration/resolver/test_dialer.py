"""Names with several addresses, of which some are dead (RFC 8305)."""

import asyncio
import socket
import ssl
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager

import pytest

from imagedrift_resolver.adapters.dialer import Dialer, Network, in_turn
from imagedrift_resolver.adapters.host_names import NameLimits, Names
from imagedrift_resolver.adapters.network import SystemNetwork
from imagedrift_resolver.adapters.request_failed import RequestFailed
from imagedrift_resolver.adapters.routes import ConnectionRoute
from imagedrift_resolver.adapters.socket_stream import SocketStream
from imagedrift_resolver.core.url import Url
from imagedrift_runtime.clock import SystemClock


def dead_address(address: str, port: int) -> list[socket.socket]:
    """Listen where every further SYN is swallowed, as the queue of connections is full."""
    listener = socket.socket()
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.bind((address, port))
    listener.listen(0)
    waiting = []
    for _ in range(4):
        client = socket.socket()
        client.setblocking(False)
        client.connect_ex((address, port))
        waiting.append(client)
    return [listener, *waiting]


@contextmanager
def dead(port: int, *addresses: str) -> Iterator[None]:
    """Keep addresses dead while the context lasts."""
    sockets = [each for address in addresses for each in dead_address(address, port)]
    try:
        yield
    finally:
        for each in sockets:
            each.close()


@asynccontextmanager
async def listening(address: str) -> AsyncIterator[int]:
    """Accept connections at an address; yields the port."""

    async def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()
        writer.close()

    server = await asyncio.start_server(accept, address, 0)
    async with server:
        yield server.sockets[0].getsockname()[1]


def dials(*addresses: str, network: Network | None = None) -> Dialer:
    """A dialer for whom a name has these addresses, and TLS may take little time."""
    names = Names(lambda _: list(addresses), NameLimits(), SystemClock())
    return Dialer(names, network or SystemNetwork(), secure_within_s=0.05)


async def dial(by: Dialer, port: int, scheme: str = "http") -> tuple[SocketStream, float]:
    """Connect and return the connection, and how long it took."""
    began = time.monotonic()
    route = ConnectionRoute(ssl.create_default_context())
    end = await by.connect(Url(scheme, "registry.example", port), route, trusted=True, within_s=5)
    return end, time.monotonic() - began


def peer(end: SocketStream) -> str:
    """The address that a connection leads to."""
    address: str = end.transport.get_extra_info("peername")[0]
    return address


@pytest.mark.parametrize("count", [1, 3, 8])
async def test_dead_addresses_before_one_that_works_cost_a_few_seconds(count: int) -> None:
    """Dead addresses cost a quarter of a second each, once (docker/hub-feedback#2165)."""
    gone = [f"127.0.0.{number}" for number in range(11, 11 + count)]
    async with listening("127.0.0.2") as port:
        by = dials(*gone, "127.0.0.2")
        with dead(port, *gone):
            first, slow = await dial(by, port)
            second, fast = await dial(by, port)
        assert (peer(first), peer(second)) == ("127.0.0.2", "127.0.0.2")
        first.close()
        second.close()
    assert slow < 0.25 * count + 2.5
    assert fast < max(0.2, slow / 2)


async def test_addresses_without_a_route_cost_nothing() -> None:
    """An address that fails at once gives way at once (louislam/uptime-kuma#5006)."""
    async with listening("127.0.0.2") as port:
        end, took = await dial(dials(*(f"2001:db8::{n}" for n in range(8)), "127.0.0.2"), port)
        end.close()
    assert took < 1


async def test_the_address_that_worked_is_given_up_when_it_dies() -> None:
    """When the remembered address dies, another one takes its place."""
    async with listening("127.0.0.2") as port:
        by = dials("127.0.0.2", "127.0.0.3")
        end, _ = await dial(by, port)
        end.close()
    server = await asyncio.start_server(lambda _, writer: writer.close(), "127.0.0.3", port)
    async with server:
        with dead(port, "127.0.0.2"):
            for _ in range(2):
                end, took = await dial(by, port)
                assert peer(end) == "127.0.0.3"
                end.close()
    assert took < 1  # no turn was waited for


class SilentOnce(SystemNetwork):
    """A network whose first peer never finishes TLS, while all others do at once."""

    def __init__(self) -> None:
        self.tried: list[str] = []

    async def secure(self, stream: SocketStream, context: ssl.SSLContext, host: str) -> None:
        """Note the peer."""
        self.tried.append(peer(stream))
        if len(self.tried) == 1:
            await asyncio.Event().wait()


async def test_an_address_that_accepts_and_says_nothing_gives_way() -> None:
    """An address that accepts and does not finish TLS gives way to the next."""
    network = SilentOnce()
    async with listening("127.0.0.2") as port:
        by = dials("127.0.0.2", "127.0.0.3", network=network)
        server = await asyncio.start_server(lambda _, writer: writer.close(), "127.0.0.3", port)
        async with server:
            for _ in range(2):
                end, _ = await dial(by, port, "https")
                end.close()
    assert network.tried == ["127.0.0.2", "127.0.0.3", "127.0.0.3"]


async def test_the_last_address_that_says_nothing_is_bounded() -> None:
    """A silent last address ends with the connection's time-out."""
    async with listening("127.0.0.2") as port:
        route = ConnectionRoute(ssl.create_default_context())
        with pytest.raises(RequestFailed, match=r"no connection within 0\.1 s"):
            await dials("127.0.0.2").connect(
                Url("https", "registry.example", port), route, trusted=True, within_s=0.1
            )


async def test_of_many_refusals_the_reason_stays_readable() -> None:
    """The reason of many failed addresses names each kind once."""
    async with listening("127.0.0.2") as port:
        pass
    with pytest.raises(RequestFailed, match=r"^the connection was refused$"):
        await dial(dials("127.0.0.2", "127.0.0.3"), port)
    with pytest.raises(RequestFailed, match=r"^none of its 2 addresses can be connected to$"):
        await dial(dials("2001:db8::1", "127.0.0.3"), port)


def test_families_take_turns() -> None:
    """IPv6 and IPv4 take turns, beginning with the family that worked last."""
    known = ["1.1.1.1", "2.2.2.2", "3.3.3.3", "a::1", "b::2"]
    assert in_turn(known) == ["a::1", "1.1.1.1", "b::2", "2.2.2.2", "3.3.3.3"]
    assert in_turn(known, "2.2.2.2") == ["2.2.2.2", "a::1", "1.1.1.1", "b::2", "3.3.3.3"]
    assert in_turn(known, "b::2") == ["b::2", "1.1.1.1", "a::1", "2.2.2.2", "3.3.3.3"]
    assert in_turn(known, "9.9.9.9") == in_turn(known)
