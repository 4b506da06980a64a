"""The machine's sockets: the first address that answers wins, and TLS is checked."""

import asyncio
import ssl

import pytest

from imagedrift_resolver.adapters.network import SystemNetwork
from imagedrift_resolver.adapters.request_failed import RequestFailed


async def say_hello(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Greet whoever connects, and end."""
    writer.write(b"hello")
    writer.close()


async def test_the_address_that_answers_is_told() -> None:
    """One that refuses gives way at once."""
    server = await asyncio.start_server(say_hello, "127.0.0.2", 0)
    port = server.sockets[0].getsockname()[1]
    async with server:
        address, stream = await SystemNetwork().race(["127.0.0.3", "127.0.0.2"], port)
        assert (address, await stream.read()) == ("127.0.0.2", b"hello")
        stream.close()


async def test_an_address_with_a_scope_is_that_of_an_interface() -> None:
    """An address of an interface that is not there cannot be connected to."""
    with pytest.raises(RequestFailed, match="none of its 1 addresses can be connected to"):
        await SystemNetwork().race(["fe80::1%no-such-interface"], 443)


async def test_one_refusal_is_the_systems_and_several_are_one() -> None:
    """The reason of several names how many there are."""
    server = await asyncio.start_server(say_hello, "127.0.0.2", 0)
    port = server.sockets[0].getsockname()[1]
    server.close()
    await server.wait_closed()
    with pytest.raises(ConnectionRefusedError):
        await SystemNetwork().race(["127.0.0.2"], port)
    with pytest.raises(RequestFailed, match="none of its 2 addresses"):
        await SystemNetwork().race(["127.0.0.2", "2001:db8::1"], port)


async def test_a_peer_that_does_not_speak_tls_is_told() -> None:
    """Nothing is sent to it in plain text instead."""
    server = await asyncio.start_server(say_hello, "127.0.0.2", 0)
    port = server.sockets[0].getsockname()[1]
    network = SystemNetwork()
    async with server:
        _, stream = await network.race(["127.0.0.2"], port)
        with pytest.raises((OSError, RequestFailed)):
            await network.secure(stream, ssl.create_default_context(), "registry.example")
        stream.close()
