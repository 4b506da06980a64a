"""A registry's port that takes every connection and answers nothing."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager


@asynccontextmanager
async def silent_port() -> AsyncIterator[int]:
    """A port on every loopback address that accepts connections and never says a word."""
    ended = asyncio.Event()

    async def hang(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await ended.wait()
        writer.close()

    server = await asyncio.start_server(hang, "0.0.0.0", 0, backlog=256)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        ended.set()
        server.close()
