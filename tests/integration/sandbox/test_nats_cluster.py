"""Three NATS servers are one cluster, and each can be lost."""

import time
from collections.abc import Awaitable, Callable
from typing import Any

import nats

from imagedrift_sandbox.nats_cluster import NatsCluster


async def test_a_cluster_keeps_messages_when_the_leader_is_killed() -> None:
    """What was acknowledged with three replicas is there after the stream's leader died."""
    async with NatsCluster.start(3) as cluster:
        client = await nats.connect(cluster.urls)
        stream = client.jetstream()
        await stream.add_stream(name="S", subjects=["s.>"], num_replicas=3)
        await stream.publish("s.1", b"kept")
        leader = await cluster.stream_leader("S")
        leader.kill()
        successor = await cluster.stream_leader("S")
        info = await within(20, stream.stream_info, "S")
        await leader.restart()
        await cluster.healthy()
        await client.close()

    assert successor is not leader
    assert info.state.messages == 1
    assert all(server.child and server.child.exit_code is not None for server in cluster.servers)


async def within(seconds: float, call: Callable[..., Awaitable[Any]], *arguments: object) -> Any:
    """Call again until the cluster has a leader that answers."""
    deadline = time.monotonic() + seconds
    while True:
        try:
            return await call(*arguments)
        except (nats.errors.Error, nats.js.errors.Error, TimeoutError):
            if time.monotonic() > deadline:
                raise
