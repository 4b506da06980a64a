"""The common part of the embedded servers: start, stop, kill, restart on the same ports.

A server is prepared once, then launched on free ports until nobody else took one of them in
between. `started` is the blocking context, for callers outside any event loop such as a test
session's fixtures; `starting` is the same for coroutines.
"""

import asyncio
import shutil
import signal
import tempfile
from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Self, TypeVar

from imagedrift_sandbox.child_process import ChildProcess, ProgramDied

T = TypeVar("T")
START_BOUND_S = 30.0
STOP_BOUND_S = 20.0
ATTEMPTS = 5
PORT_TAKEN = ("address already in use", "could not create any tcp/ip sockets")


class LocalServer(ABC):
    """A server program of this machine, in a directory of its own."""

    stop_signal = signal.SIGTERM

    def __init__(self, home: Path | None, *, prefix: str) -> None:
        self._temporary = home is None
        self.home = Path(tempfile.mkdtemp(prefix=prefix)) if home is None else home.absolute()
        self.home.mkdir(parents=True, exist_ok=True)
        self.child: ChildProcess | None = None

    @abstractmethod
    def prepare(self) -> None:
        """Prepare the server once, before the first launch. Blocks."""

    @abstractmethod
    def choose_ports(self) -> None:
        """Take free ports, and write the configuration that depends on them."""

    @abstractmethod
    def launch(self) -> ChildProcess:
        """Start the program."""

    @abstractmethod
    def is_ready(self) -> bool:
        """Whether it serves. Blocks shortly."""

    @property
    def pid(self) -> int:
        """The server's process id."""
        return self._running().pid

    def start_blocking(self) -> None:
        """Prepare and launch; return when the server serves."""
        self.prepare()
        for left in reversed(range(ATTEMPTS)):
            self.choose_ports()
            try:
                self.launch_blocking()
            except ProgramDied as error:
                if left == 0 or not any(sign in str(error).lower() for sign in PORT_TAKEN):
                    raise
            else:
                return

    def launch_blocking(self) -> None:
        """Launch on the ports chosen; return when the server serves."""
        self.child = self.launch()
        self.child.wait_until(self.is_ready, bound_s=START_BOUND_S)

    def stop_blocking(self) -> int:
        """Stop cleanly and return the exit code; nothing to do for one that ended."""
        return self._running().stop(self.stop_signal, bound_s=STOP_BOUND_S)

    def close(self) -> None:
        """Stop, and remove the directory when it is ours."""
        if self.child is not None:
            self.stop_blocking()
        if self._temporary:
            shutil.rmtree(self.home, ignore_errors=True)

    async def stop(self) -> int:
        """Stop cleanly and return the exit code."""
        return await to_the_end(self.stop_blocking)

    async def restart(self) -> None:
        """Stop if it still runs, and start on the same ports and data."""
        await self.stop()
        await to_the_end(self.launch_blocking)

    def kill(self) -> None:
        """End the server at once, as a crash would. `restart` brings it back."""
        self._running().kill()

    def pause(self) -> None:
        """Make the server hang: connections stay, nothing is answered."""
        self._running().pause()

    def resume(self) -> None:
        """End the hang."""
        self._running().resume()

    def _running(self) -> ChildProcess:
        if self.child is None:
            raise RuntimeError(f"{type(self).__name__} was never started")
        return self.child

    @contextmanager
    def started(self) -> Iterator[Self]:
        """Start, and stop at the end. Blocks."""
        try:
            self.start_blocking()
            yield self
        finally:
            self.close()

    @asynccontextmanager
    async def starting(self) -> AsyncIterator[Self]:
        """Start, and stop at the end, without holding up the event loop."""
        try:
            await to_the_end(self.start_blocking)
            yield self
        finally:
            await to_the_end(self.close)


async def to_the_end(call: Callable[[], T]) -> T:
    """Run in a thread, and stay with it even when cancelled: a thread cannot be stopped.

    Otherwise a server could start after its block was left, and nobody would stop it.
    """
    running = asyncio.create_task(asyncio.to_thread(call))
    try:
        return await asyncio.shield(running)
    except asyncio.CancelledError:
        await asyncio.wait([running])
        running.exception()  # nobody waits for it any more: seen, so that asyncio tells nobody
        raise
