"""A JetStream cluster on this machine, for tests in which a server is lost."""

import asyncio
import http.client
import json
import time
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from typing import TypeVar

from imagedrift_sandbox.child_process import ProgramNotReady
from imagedrift_sandbox.free_port import LOOPBACK, free_ports
from imagedrift_sandbox.http_probe import http_get
from imagedrift_sandbox.nats import NatsServer

LEADER_BOUND_S = 30.0
LEADER_POLL_S = 0.05
T = TypeVar("T")


class NatsCluster:
    """Servers that are one cluster. Each can be killed, paused and restarted by itself."""

    def __init__(self, servers: list[NatsServer]) -> None:
        self.servers = servers

    @classmethod
    @asynccontextmanager
    async def start(cls, size: int = 3, config_extra: str = "") -> AsyncIterator["NatsCluster"]:
        """Run a cluster for the length of an `async with`; it is healthy from the start."""
        ports = free_ports(size)
        routes = ", ".join(f'"nats://{LOOPBACK}:{port}"' for port in ports)
        servers = [
            NatsServer(
                name=f"n{number}",
                config_extra=f'cluster {{ name: sandbox, listen: "{LOOPBACK}:{port}", '
                f"routes: [{routes}] }}\n{config_extra}",
                alone=False,
            )
            for number, port in enumerate(ports, start=1)
        ]
        async with AsyncExitStack() as running:
            for server in servers:
                await running.enter_async_context(server.starting())
            cluster = cls(servers)
            await cluster.healthy()
            yield cluster

    @property
    def url(self) -> str:
        """All servers' urls, comma-separated as in `NATS_URL`."""
        return ",".join(server.url for server in self.servers)

    @property
    def urls(self) -> list[str]:
        """All servers' urls."""
        return [server.url for server in self.servers]

    async def healthy(self) -> None:
        """Wait until each running server has caught up with a leader."""
        await asyncio.to_thread(_until, self._all_healthy)

    async def stream_leader(self, stream: str) -> NatsServer:
        """The server that leads a stream's group."""
        return await asyncio.to_thread(_until, lambda: self._leader_of(stream))

    def _running_servers(self) -> list[NatsServer]:
        return [s for s in self.servers if s.child is not None and s.child.exit_code is None]

    def _all_healthy(self) -> bool:
        return all(s.is_healthy() for s in self._running_servers())

    def _leader_of(self, stream: str) -> NatsServer | None:
        for server in self._running_servers():
            try:
                told = json.loads(http_get(f"{server.monitor_url}/jsz?streams=true"))
            except (OSError, http.client.HTTPException):
                continue
            accounts = told.get("account_details", ())
            for detail in (d for account in accounts for d in account.get("stream_detail", ())):
                leader = detail.get("cluster", {}).get("leader")
                if detail["name"] == stream and leader:
                    return next((s for s in self._running_servers() if s.name == leader), None)
        return None


def _until(look: Callable[[], T | None]) -> T:
    """Look until there is something to see. Blocks."""
    deadline = time.monotonic() + LEADER_BOUND_S
    while not (seen := look()):
        if time.monotonic() > deadline:
            raise ProgramNotReady(f"the NATS cluster has no leader after {LEADER_BOUND_S} s")
        time.sleep(LEADER_POLL_S)
    return seen
