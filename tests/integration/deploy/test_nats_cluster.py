"""Three NATS servers with the configuration that we ship keep everything when one is lost."""

import json
from contextlib import AsyncExitStack

from imagedrift_agent.adapters.jetstream import connected
from imagedrift_agent.reporter import PublishFailed
from imagedrift_runtime.nats import bus, provision
from imagedrift_sandbox.free_port import LOOPBACK, free_ports
from support.deploy import ShippedNats, nats_environment
from support.ingest import image, inventory
from support.polling import until


async def test_three_servers_keep_everything_when_one_is_lost() -> None:
    """With cluster.conf a write is confirmed while one of three servers is dead."""
    ports = free_ports(3)
    routes = json.dumps([f"nats://{LOOPBACK}:{port}" for port in ports])
    cluster = [
        ShippedNats(
            "cluster.conf",
            nats_environment()
            | {
                "NATS_SERVER_NAME": f'"nats-{number}"',
                "NATS_ROUTES": routes,
                "NATS_ROUTE_PASSWORD": '"20261125"',
            },
            flags=("--cluster_listen", f"nats://{LOOPBACK}:{port}"),
        )
        for number, port in enumerate(ports, start=1)
    ]

    async def is_made() -> bool:
        try:
            await provision.ensure(connection, replicas=3)
        except Exception:  # of several kinds while the servers elect a leader
            return False
        return True

    async def stored() -> bool:
        agents = [server.url_of("agent", "20261124") for server in cluster]
        try:
            async with connected(agents, "fra1", "web-1", credentials="", ca="") as publisher:
                await publisher.publish(inventory("web-1", [image()]))
        except PublishFailed:
            return False
        return True

    async with AsyncExitStack() as running:
        for server in cluster:
            await running.enter_async_context(server.starting())
        urls = [server.url_of("service", "20261123") for server in cluster]
        connection = await running.enter_async_context(bus.connect(urls, "test"))
        await until(is_made, what="every stream has three replicas", within_s=30)
        cluster[0].kill()
        await until(stored, what="an inventory is stored with a server lost", within_s=30)
