"""A client of the sandbox's registry."""

from collections.abc import AsyncIterator

import aiohttp
import pytest

from imagedrift_sandbox.registry import SandboxRegistry


@pytest.fixture
async def client(registry: SandboxRegistry) -> AsyncIterator[aiohttp.ClientSession]:
    """An HTTP client of the registry."""
    async with aiohttp.ClientSession(registry.url) as session:
        yield session
