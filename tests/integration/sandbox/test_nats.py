"""The embedded NATS server: it serves, restarts, and stops without a trace."""

from pathlib import Path

import nats
import pytest

from imagedrift_sandbox.nats import NatsServer
from support.servers import alive


async def test_nats_serves_jetstream_and_stops_without_a_trace() -> None:
    """A NATS server takes a stream and a message; its process and directory are gone after."""
    async with NatsServer.start() as server:
        client = await nats.connect(server.url)
        stream = client.jetstream()
        await stream.add_stream(name="S", subjects=["s.>"])
        ack = await stream.publish("s.1", b"x")
        await client.close()

    assert ack.seq == 1
    assert not alive(server.pid)
    assert not server.home.exists()


async def test_nats_pins_the_reply_formats_that_our_client_reads() -> None:
    """The reply of a message to acknowledge has the nine tokens of version 1."""
    async with NatsServer.start() as server:
        client = await nats.connect(server.url)
        stream = client.jetstream()
        await stream.add_stream(name="S", subjects=["s.>"])
        await stream.publish("s.1", b"x")
        subscription = await stream.pull_subscribe("s.>", durable="d")
        (message,) = await subscription.fetch(1)
        await client.close()

    assert len(message.reply.split(".")) == 9


@pytest.mark.parametrize("crash", [False, True], ids=["stopped", "killed"])
async def test_nats_restart_keeps_port_and_messages(crash: bool) -> None:
    """A restarted server has the same url and the same messages, after a crash too."""
    async with NatsServer.start() as server:
        url = server.url
        client = await nats.connect(url)
        await client.jetstream().add_stream(name="S", subjects=["s.>"])
        await client.jetstream().publish("s.1", b"x")
        await client.close()
        if crash:
            server.kill()
        await server.restart()
        client = await nats.connect(server.url)
        info = await client.jetstream().stream_info("S")
        await client.close()

    assert server.url == url
    assert info.state.messages == 1


async def test_nats_keeps_a_given_store(tmp_path: Path) -> None:
    """A server started again on a given store has the stream of the first."""
    for _ in range(2):
        async with NatsServer.start(store_dir=tmp_path) as server:
            client = await nats.connect(server.url)
            await client.jetstream().add_stream(name="S", subjects=["s.>"])
            ack = await client.jetstream().publish("s.1", b"x")
            await client.close()

    assert ack.seq == 2


async def test_nats_takes_additional_configuration() -> None:
    """The settings of `config_extra` are in force."""
    async with NatsServer.start(config_extra="max_payload: 1000") as server:
        client = await nats.connect(server.url)
        limit = client.max_payload
        await client.close()

    assert limit == 1000
