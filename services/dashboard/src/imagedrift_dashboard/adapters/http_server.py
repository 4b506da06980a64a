"""Runs uvicorn inside the process: our signals, our logs, and an end within its bound."""

import asyncio
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final

import uvicorn

from imagedrift_dashboard.adapters.http_connection import SEND_BUFFER, BoundedConnection
from imagedrift_runtime.logs import get_logger
from imagedrift_runtime.process import NoPort

log = get_logger()

END_WITHIN_S: Final = 5
BACKLOG: Final = 128
MOST_CONNECTIONS: Final = 800
"""More are answered with 503: a process may commonly open 1,024 files."""


class _Server(uvicorn.Server):
    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Leave the signals to the process."""
        yield


async def serve(
    application: Any,
    listening: socket.socket,
    stopping: asyncio.Event,
    connection: type[BoundedConnection] = BoundedConnection,
) -> None:
    """Serve until asked to stop; then finish the responses that are under way.

    Raises whatever ends the server before that.
    """
    server = _Server(_config(application, connection))
    log.info("pages.served", address=f"http://{_written(listening.getsockname())}/")
    running = asyncio.ensure_future(server.serve([listening]))
    waiting = asyncio.ensure_future(stopping.wait())
    try:
        await asyncio.wait({running, waiting}, return_when=asyncio.FIRST_COMPLETED)
        server.should_exit = True
        await running
    finally:
        waiting.cancel()
    if not stopping.is_set():
        raise RuntimeError("the server of the pages ended, and nobody told it to")


def _config(application: Any, connection: type[BoundedConnection]) -> uvicorn.Config:
    return uvicorn.Config(
        application,
        log_config=None,
        access_log=False,
        server_header=False,
        date_header=True,
        proxy_headers=False,
        lifespan="off",
        ws="none",
        http=connection,
        loop="none",
        timeout_graceful_shutdown=END_WITHIN_S,
        limit_concurrency=MOST_CONNECTIONS,
        h11_max_incomplete_event_size=32 * 1024,
    )


@contextmanager
def listening_on(address: str, port: int) -> Iterator[socket.socket]:
    """Listen for the length of the context. Raises `NoPort` where the address cannot be had."""
    try:
        family = socket.getaddrinfo(address, port, type=socket.SOCK_STREAM)[0][0]
        made = socket.create_server((address, port), family=family, backlog=BACKLOG)
    except OSError as error:
        reason = error.strerror or str(error)
        raise NoPort(f"IMAGEDRIFT_DASHBOARD_PORT: {address}:{port}: {reason}") from error
    with made:
        made.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SEND_BUFFER)  # of each connection
        yield made


def _written(where: tuple[Any, ...]) -> str:
    host, port = where[:2]
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
