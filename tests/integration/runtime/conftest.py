"""A bus on the session's server."""

from collections.abc import AsyncIterator

import pytest

from imagedrift_runtime.nats.bus import Bus, connect
from imagedrift_sandbox.nats import NatsServer


@pytest.fixture
async def bus(nats_server: NatsServer) -> AsyncIterator[Bus]:
    """A connection to the shared server."""
    async with connect([nats_server.url], "test") as connected:
        yield connected
