"""The machine's sockets: addresses that are raced against each other, and TLS on a connection."""

import asyncio
import ssl
from collections.abc import Sequence
from socket import AF_INET, AF_INET6, IPPROTO_TCP, SOCK_STREAM, if_nametoindex, socket
from typing import Any, Final

import aiohappyeyeballs

from imagedrift_resolver.adapters.request_failed import RequestFailed
from imagedrift_resolver.adapters.socket_stream import SocketStream

NEXT_AFTER_S: Final = 0.25


class SystemNetwork:
    """Connects with the sockets of this machine."""

    async def race(self, addresses: Sequence[str], port: int) -> tuple[str, SocketStream]:
        """Connect to the first address that answers; which one, and the connection.

        Raises `RequestFailed` and `OSError`.
        """
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
        loop = asyncio.get_running_loop()
        try:
            address = _answering(connected, addresses)
            _, stream = await loop.create_connection(SocketStream, sock=connected)
        except BaseException:
            connected.close()
            raise
        return address, stream

    async def secure(self, stream: SocketStream, context: ssl.SSLContext, host: str) -> None:
        """Begin TLS on a connection. Raises `RequestFailed` and `OSError`."""
        loop = asyncio.get_running_loop()
        transport = await loop.start_tls(stream.transport, stream, context, server_hostname=host)
        if transport is None:
            raise RequestFailed("tls", "the connection ended during the TLS handshake")
        stream.connection_made(transport)


def _info(address: str, port: int) -> Any:
    text, _, scope = address.partition("%")
    if ":" not in text:
        return AF_INET, SOCK_STREAM, IPPROTO_TCP, "", (text, port)
    number = if_nametoindex(scope) if scope else 0
    return AF_INET6, SOCK_STREAM, IPPROTO_TCP, "", (text, port, 0, number)


def _answering(connected: socket, addresses: Sequence[str]) -> str:
    peer = str(connected.getpeername()[0])
    return peer if peer in addresses else addresses[0]
