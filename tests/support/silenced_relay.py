"""A way to a server that can fall silent: connections stay open, and nothing passes."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Self


class SilencedRelay:
    """Passes on what each side sends, until it is told to be silent."""

    def __init__(self, host: str, port: int) -> None:
        self._server_address = host, port
        self._tasks: set[asyncio.Task[None]] = set()
        self.is_silent = False
        self.port = 0

    @classmethod
    @asynccontextmanager
    async def to(cls, host: str, port: int) -> AsyncIterator[Self]:
        """Relay to a server for the length of the context."""
        relay = cls(host, port)
        listening = await asyncio.start_server(relay._relay, "127.0.0.1", 0)
        relay.port = listening.sockets[0].getsockname()[1]
        try:
            yield relay
        finally:
            listening.close()
            for task in relay._tasks:
                task.cancel()

    async def _relay(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        server_reader, server_writer = await asyncio.open_connection(*self._server_address)
        for source, target in ((reader, server_writer), (server_reader, writer)):
            task = asyncio.create_task(self._pass_on(source, target))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _pass_on(self, source: asyncio.StreamReader, target: asyncio.StreamWriter) -> None:
        """Pass on to the end; what comes in a silence is lost."""
        with suppress(OSError):
            while data := await source.read(65536):
                if not self.is_silent:
                    target.write(data)
                    await target.drain()
        target.close()
