"""An HTTP proxy of the tests' own: `CONNECT` and absolute form, with a credential if it is told."""

import asyncio
import base64
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress
from urllib.parse import urlsplit


class HttpProxy:
    """Passes requests on; a name that `hosts` maps is sought on the port that stands there."""

    def __init__(
        self,
        *,
        login: str = "",
        hosts: Mapping[str, int] | None = None,
        refusal: int = 0,
    ) -> None:
        self._wants = f"Basic {base64.b64encode(login.encode()).decode()}" if login else ""
        self._hosts = hosts or {}
        self._refusal = refusal
        self.heads: list[str] = []
        """The head of each request that came."""
        self.port = 0

    @property
    def url(self) -> str:
        """Where it listens."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def targets(self) -> list[str]:
        """The targets of all requests."""
        return [head.split(" ")[1] for head in self.heads]

    @asynccontextmanager
    async def serving(self) -> AsyncIterator["HttpProxy"]:
        """Serve while the context lasts."""
        server = await asyncio.start_server(self._accept, "127.0.0.1", 0)
        self.port = server.sockets[0].getsockname()[1]
        async with server:
            yield self

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(OSError, asyncio.IncompleteReadError, asyncio.CancelledError):
            while await self._one(reader, writer):
                pass
        writer.close()

    async def _one(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
        self.heads.append(head)
        status = self._status(head)
        if status:
            writer.write(f"HTTP/1.1 {status} No\r\nContent-Length: 0\r\n\r\n".encode())
            return True
        method, target = head.split(" ")[:2]
        host, port, path = _place(method, target)
        ahead, onward = await asyncio.open_connection("127.0.0.1", self._hosts.get(host, port))
        if method == "CONNECT":
            writer.write(b"HTTP/1.1 200 Connection established\r\n\r\n")
        else:
            rest = head.partition("\r\n")[2]
            onward.write(f"{method} {path} HTTP/1.1\r\n{rest}".encode())
        await asyncio.gather(_pump(reader, onward), _pump(ahead, writer))
        return False

    def _status(self, head: str) -> int:
        if self._wants and f"proxy-authorization: {self._wants}".lower() not in head.lower():
            return 407
        return self._refusal


def _place(method: str, target: str) -> tuple[str, int, str]:
    if method == "CONNECT":
        host, _, port = target.rpartition(":")
        return host, int(port), ""
    parts = urlsplit(target)
    return parts.hostname or "", parts.port or 80, f"{parts.path}?{parts.query}"


async def _pump(source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
    with suppress(OSError):
        while data := await source.read(65536):
            sink.write(data)
            await sink.drain()
    sink.close()
