"""nats-py itself, for tests that act as a stranger: an operator's tool, or a hostile program."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import nats

from imagedrift_runtime.nats.bus import Bus


@asynccontextmanager
async def nats_client(at: Bus | str, **options: Any) -> AsyncIterator[Any]:
    """Connect to the server of a bus, or of a URL, for the length of the context."""
    url = at if isinstance(at, str) else f"nats://{at.server}"
    client = await nats.connect(url, **options)
    try:
        yield client
    finally:
        await client.close()


def jetstream(at: Bus | str) -> Any:
    """Return JetStream's API with nats-py's methods; each call has a connection of its own."""
    return _JetStream(at)


class _JetStream:
    def __init__(self, at: Bus | str) -> None:
        self._at = at

    def __getattr__(self, method: str) -> Callable[..., Awaitable[Any]]:
        async def call(*arguments: Any, **options: Any) -> Any:
            async with nats_client(self._at) as client:
                return await getattr(client.jetstream(), method)(*arguments, **options)

        return call
