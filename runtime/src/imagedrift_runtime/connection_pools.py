"""The end of pools of database connections: one that does not answer any more is not waited for."""

import asyncio
from collections.abc import Awaitable
from typing import Final, Protocol

CLOSE_WITHIN_S: Final = 5.0


class ConnectionPool(Protocol):
    """A pool of connections to a database."""

    def close(self) -> Awaitable[object]:
        """Wait until each connection is given back, and close it."""

    def terminate(self) -> None:
        """Drop every connection at once."""


async def close_pools(*pools: ConnectionPool, within_s: float = CLOSE_WITHIN_S) -> None:
    """Close pools, and drop the connections of those that are not closed within some seconds."""
    try:
        async with asyncio.timeout(within_s):
            await asyncio.gather(*(pool.close() for pool in pools))
    except TimeoutError:
        for pool in pools:
            pool.terminate()
