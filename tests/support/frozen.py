"""Programs whose clock stands still: their connections stay, and nothing is answered."""

import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from imagedrift_sandbox.postgres import PostgresServer


@contextmanager
def frozen(server: PostgresServer) -> Iterator[None]:
    """Freeze a database with all its sessions for the length of the context."""
    assert server.child is not None
    first = server.child.pid
    server.pause()  # so that it makes no session meanwhile
    sessions = [
        int(pid) for pid in Path(f"/proc/{first}/task/{first}/children").read_text().split()
    ]
    try:
        for pid in sessions:
            os.kill(pid, signal.SIGSTOP)
        yield
    finally:
        for pid in sessions:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGCONT)
        server.resume()
