"""Run one of our services as a child process, as an operator's machine would.

The environment is what is given and little more: nothing of ours leaks into the child. It is
told a free metrics port, and is ready when `/readyz` there says so.
"""

import asyncio
import os
import sysconfig
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path

from imagedrift_sandbox.child_process import ChildProcess, ProgramMissing
from imagedrift_sandbox.free_port import LOOPBACK, free_port
from imagedrift_sandbox.http_probe import http_get, http_status
from imagedrift_sandbox.servers import to_the_end

METRICS_PORT = "IMAGEDRIFT_METRICS_PORT"
READY_BOUND_S = 30.0
STOP_BOUND_S = 15.0
BASE_ENVIRONMENT = {"PATH": os.defpath, "LANG": "C.UTF-8", "PYTHONUNBUFFERED": "1"}


class ServiceProcess:
    """A running service: its readiness, metrics, log and end."""

    def __init__(self, child: ChildProcess, metrics_port: int) -> None:
        self.child = child
        self.metrics_port = metrics_port

    @classmethod
    @asynccontextmanager
    async def start(
        cls,
        script: str,
        environment: Mapping[str, str],
        *,
        log: Path,
        arguments: Sequence[str] = (),
        wait_ready: bool = True,
    ) -> AsyncIterator["ServiceProcess"]:
        """Start a console script, wait until it is ready, and end it with the context."""
        service = cls.spawn(script, environment, log=log, arguments=arguments)
        try:
            if wait_ready:
                await service.ready()
            yield service
        finally:
            await service.stop()

    @classmethod
    def spawn(
        cls,
        script: str,
        environment: Mapping[str, str],
        *,
        log: Path,
        arguments: Sequence[str] = (),
    ) -> "ServiceProcess":
        """Start a console script and leave its end to the caller."""
        port = int(environment.get(METRICS_PORT) or free_port())
        child = ChildProcess.spawn(
            [console_script(script), *arguments],
            log=log,
            environment=BASE_ENVIRONMENT | dict(environment) | {METRICS_PORT: str(port)},
        )
        return cls(child, port)

    @property
    def name(self) -> str:
        """The console script's name."""
        return self.child.name

    @property
    def pid(self) -> int:
        """The process id."""
        return self.child.pid

    @property
    def metrics_url(self) -> str:
        """Where it serves `/metrics`, `/livez` and `/readyz`."""
        return f"http://{LOOPBACK}:{self.metrics_port}"

    @property
    def exit_code(self) -> int | None:
        """The exit code; negative for a signal, None while it runs."""
        return self.child.exit_code

    async def ready(self, *, bound_s: float = READY_BOUND_S) -> None:
        """Wait for `/readyz`; raises with the log's end when the service ends or is too slow."""
        await asyncio.to_thread(self.child.wait_until, self._is_ready, bound_s=bound_s)

    async def metrics(self) -> str:
        """The metrics, as Prometheus would read them."""
        return await asyncio.to_thread(http_get, f"{self.metrics_url}/metrics")

    async def ended(self, *, bound_s: float = STOP_BOUND_S) -> int:
        """Wait for it to end by itself, and return the exit code."""
        return await asyncio.to_thread(self.child.wait, bound_s=bound_s)

    async def stop(self, *, bound_s: float = STOP_BOUND_S) -> int:
        """Ask it to stop (SIGTERM) and return the exit code; -9 when it did not in time."""
        return await to_the_end(partial(self.child.stop, bound_s=bound_s))

    def kill(self) -> int:
        """End it at once, as a crash would."""
        return self.child.kill()

    def pause(self) -> None:
        """Make it hang."""
        self.child.pause()

    def resume(self) -> None:
        """End the hang."""
        self.child.resume()

    def log_text(self) -> str:
        """All that it wrote."""
        return self.child.log.read_text(errors="replace")

    def _is_ready(self) -> bool:
        return http_status(f"{self.metrics_url}/readyz") == 200


def console_script(name: str) -> Path:
    """The script of that name in this Python's environment."""
    script = Path(sysconfig.get_path("scripts")) / name
    if not script.exists():
        raise ProgramMissing(f"{script} is missing: install the package that has it")
    return script
