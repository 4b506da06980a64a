"""A registry's port that takes every connection and answers nothing."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass


@dataclass
class SilentPort:
    """A port, and how many connections it has taken."""

    number: int = 0
    taken: int = 0


@asynccontextmanager
async def silent_port() -> AsyncIterator[SilentPort]:
    """A port on every loopback address that accepts connections and never says a word."""
    ended = asyncio.Event()
    port = SilentPort()

    async def hang(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        port.taken += 1
        await ended.wait()
        writer.close()

    server = await asyncio.start_server(hang, "0.0.0.0", 0, backlog=256)
    port.number = server.sockets[0].getsockname()[1]
    try:
        yield port
    finally:
        ended.set()
        server.close()
