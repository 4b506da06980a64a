"""The registry as a process of its own, and its switchboard from here.

What it holds is in its memory: a restart begins empty.
"""

import asyncio
import http.client
import sys
from collections.abc import Sequence
from contextlib import AbstractAsyncContextManager
from typing import TypeVar

import msgspec

from imagedrift_sandbox.child_process import ChildProcess
from imagedrift_sandbox.free_port import LOOPBACK, free_port
from imagedrift_sandbox.http_probe import http_status
from imagedrift_sandbox.registry.auth import Auth
from imagedrift_sandbox.registry.budgets import Budget
from imagedrift_sandbox.registry.control import CONTROL, SyntheticImage
from imagedrift_sandbox.registry.counts import SeenRequest, Totals
from imagedrift_sandbox.registry.faults import Fault
from imagedrift_sandbox.registry.images import PushedImage
from imagedrift_sandbox.servers import LocalServer

CONTROL_BOUND_S = 30.0
T = TypeVar("T")


class RegistryProcess(LocalServer):
    """One registry process. `stop`, `kill`, `pause`, `resume` come with `LocalServer`."""

    def __init__(self) -> None:
        super().__init__(None, prefix="imagedrift-registry-")
        self.port = 0

    @classmethod
    def start(cls) -> AbstractAsyncContextManager["RegistryProcess"]:
        """Run a registry for the length of an `async with`."""
        return cls().starting()

    @property
    def host(self) -> str:
        """The registry's name in image references."""
        return f"{LOOPBACK}:{self.port}"

    @property
    def url(self) -> str:
        """The registry's base url."""
        return f"http://{self.host}"

    async def push(self, images: Sequence[SyntheticImage]) -> list[PushedImage]:
        """Put synthetic images there."""
        return await self._ask("POST", "images", images, list[PushedImage])

    async def misbehave(self, fault: Fault) -> int:
        """Set a fault; the number returned removes it."""
        return (await self._ask("POST", "faults", fault, dict[str, int]))["id"]

    async def behave(self, number: int | None = None) -> None:
        """Remove one fault, or all of them."""
        await self._ask(
            "DELETE", "faults" if number is None else f"faults/{number}", None, type(None)
        )

    async def authenticate(self, auth: Auth) -> None:
        """Change the rules of access."""
        await self._ask("PUT", "auth", auth, type(None))

    async def limit(self, budget: Budget | None) -> None:
        """Begin a new budget, or have none."""
        await self._ask("PUT", "budget", budget, type(None))

    async def totals(self) -> Totals:
        """The counters now."""
        return await self._ask("GET", "counts", None, Totals)

    async def requests(self) -> list[SeenRequest]:
        """The newest requests, whole."""
        return await self._ask("GET", "requests", None, list[SeenRequest])

    def prepare(self) -> None:
        """Nothing to prepare."""

    def choose_ports(self) -> None:
        """Take a port."""
        self.port = free_port()

    def launch(self) -> ChildProcess:
        """Start the program."""
        return ChildProcess.spawn(
            [sys.executable, "-m", "imagedrift_sandbox.registry", "--port", str(self.port)],
            log=self.home / "registry.log",
        )

    def is_ready(self) -> bool:
        """Whether it answers."""
        return http_status(f"{self.url}{CONTROL}faults") == 200

    async def _ask(self, method: str, path: str, body: object, answer: type[T]) -> T:
        told = await asyncio.to_thread(self._ask_blocking, method, path, body)
        return msgspec.json.decode(told, type=answer)

    def _ask_blocking(self, method: str, path: str, body: object) -> bytes:
        connection = http.client.HTTPConnection(LOOPBACK, self.port, timeout=CONTROL_BOUND_S)
        try:
            connection.request(method, f"{CONTROL}{path}", msgspec.json.encode(body))
            response = connection.getresponse()
            told = response.read()
        finally:
            connection.close()
        if response.status != 200:
            raise RuntimeError(f"{method} {path}: {response.status} {told.decode()}")
        return told
