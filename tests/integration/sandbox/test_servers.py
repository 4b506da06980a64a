"""The common part of the embedded servers: a start that fails or is cancelled leaves nothing."""

import asyncio

import pytest

from imagedrift_sandbox.child_process import ProgramError
from imagedrift_sandbox.nats import NatsServer
from support.servers import alive


async def test_a_start_that_is_cancelled_leaves_no_server() -> None:
    """A start that is given up leaves neither process nor directory."""
    server = NatsServer()

    async def start() -> None:
        async with server.starting():
            raise AssertionError("it was to be cancelled before")

    starting = asyncio.create_task(start())
    await asyncio.sleep(0)
    starting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await starting

    assert server.child is not None
    assert not alive(server.pid)
    assert not server.home.exists()


async def test_a_wrong_configuration_fails_with_the_servers_own_words() -> None:
    """A server that ends at once is an error that shows its log."""
    with pytest.raises(ProgramError, match="no_such_key"):
        async with NatsServer.start(config_extra="no_such_key: 1"):
            pass
