"""Three NATS servers are one cluster, and each can be lost."""

from typing import Any

import nats

from imagedrift_sandbox.nats_cluster import NatsCluster
from support.polling import until


async def test_a_cluster_keeps_messages_when_the_leader_is_killed() -> None:
    """A message that three replicas acknowledged is there after the stream's leader died."""
    async with NatsCluster.start(3) as cluster:
        client = await nats.connect(cluster.urls)
        stream = client.jetstream()
        await stream.add_stream(name="S", subjects=["s.>"], num_replicas=3)
        await stream.publish("s.1", b"kept")

        async def info_of_stream() -> Any:
            try:
                return await stream.stream_info("S")
            except (nats.errors.Error, nats.js.errors.Error, TimeoutError):
                return None

        leader = await cluster.stream_leader("S")
        leader.kill()
        successor = await cluster.stream_leader("S")
        info = await until(info_of_stream, "the new leader answers")
        await leader.restart()
        await cluster.healthy()
        await client.close()

    assert successor is not leader
    assert info.state.messages == 1
    assert all(server.child and server.child.exit_code is not None for server in cluster.servers)
