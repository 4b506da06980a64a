"""A server of HTTP that answers each request with the same bytes, right or wrong."""

import asyncio
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

from imagedrift_resolver.adapters.routes import ConnectionRoute
from imagedrift_resolver.core.reply import NoResponse, Reply
from imagedrift_resolver.core.url import parse_url
from support.dialing import http_client

DIGEST = "Docker-Content-Digest: sha256:"

FORGED = f"HTTP/1.1 200 OK\r\n{DIGEST}{'e' * 64}\r\nContent-Length: 0\r\n\r\n".encode()

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


class AnsweringServer:
    """Answers each request with the same bytes, or with what a number of it makes of them."""

    def __init__(self, answer: bytes, late: bytes = b"") -> None:
        self._answer = answer
        self._late = late
        self.connections = 0
        self.paths: list[str] = []
        self.port = 0
        self.is_sent = asyncio.Event()
        """Set when the late bytes have been sent."""

    @asynccontextmanager
    async def serving(self) -> AsyncIterator["AnsweringServer"]:
        """Serve while the context lasts."""
        server = await asyncio.start_server(self._accept, "127.0.0.1", 0)
        self.port = server.sockets[0].getsockname()[1]
        async with server:
            yield self

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        with suppress(asyncio.IncompleteReadError, OSError, asyncio.CancelledError):
            while head := await reader.readuntil(b"\r\n\r\n"):
                path = head.split(b" ")[1].decode()
                self.paths.append(path)
                writer.write(self._answer.replace(b"TAG", path[-1].encode() * 64))
                await writer.drain()
                if self._late:
                    await asyncio.sleep(0)
                    writer.write(self._late)
                    await writer.drain()
                    self.is_sent.set()
        writer.close()


async def ask(
    server: AnsweringServer, count: int = 2, method: str = "GET", target: str = "/v2/"
) -> list[Reply | NoResponse]:
    """Make requests, one after the other."""
    http = http_client(lambda *_: ConnectionRoute(ssl.create_default_context()))
    url = parse_url(f"http://127.0.0.1:{server.port}{target}")
    try:
        return [
            await http.send(method, url, [("Host", url.authority)], cap=99, trusted=True)
            for _ in range(count)
        ]
    finally:
        await http.close()
