"""What a service says of itself: parts that are ready or not, and why.

`/livez` answers 200 while the event loop turns; `/readyz` while every part is ready too, and names
those that are not; `/metrics` is in Prometheus' text form. They are served from threads, so that
a stuck loop shows as a failing check and not as a hanging one, and a slow caller holds up nobody.
"""

import asyncio
import json
import threading
import time
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager
from socketserver import ThreadingMixIn
from typing import Any
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer, make_server

from msgspec import Struct

from imagedrift_runtime import metrics

STUCK_AFTER_S = 10.0
TURN_EVERY_S = 1.0
CALLER_WITHIN_S = 5.0

Application = Callable[[dict[str, Any], Callable[..., Any]], Iterable[bytes]]


class Part(Struct, frozen=True):
    """One part's state: ready, or the reason why not."""

    ready: bool
    reason: str = ""


class Health:
    """The parts of a service, by name. A part that has not reported yet is not ready."""

    def __init__(self, parts: Iterable[str] = ()) -> None:
        self._parts: dict[str, Part] = {name: Part(False, "starting") for name in parts}
        self._starting = set(self._parts)
        self._turned = time.monotonic()

    def ready(self, part: str) -> None:
        """Say that `part` works."""
        self._parts[part] = Part(True)
        self._starting.discard(part)
        metrics.ready.set(1, part=part)

    def failed(self, part: str, reason: str) -> None:
        """Say that `part` does not work now, and why, in words for an operator."""
        self._parts[part] = Part(False, reason)
        metrics.ready.set(0, part=part)

    def parts(self) -> dict[str, Part]:
        """Tell the state of every part."""
        return dict(self._parts)

    @property
    def is_ready(self) -> bool:
        """Tell whether every part is ready."""
        return all(part.ready for part in self.parts().values())

    @property
    def has_begun(self) -> bool:
        """Tell whether every part has been ready once: before that there is nothing to finish."""
        return not self._starting

    @property
    def is_alive(self) -> bool:
        """Tell whether the event loop has turned lately."""
        return time.monotonic() - self._turned < STUCK_AFTER_S

    async def turn(self) -> None:
        """Note, for ever, that the event loop turns, and how late it was."""
        while True:
            self._turned = time.monotonic()
            await asyncio.sleep(TURN_EVERY_S)
            metrics.loop_lag.set(time.monotonic() - self._turned - TURN_EVERY_S)


@asynccontextmanager
async def serve(health: Health, port: int, address: str = "127.0.0.1") -> AsyncIterator[int]:
    """Serve health and metrics while the context lasts; yields the port. Port 0 serves nothing.

    Raises `OSError` when the address cannot be had.
    """
    if port == 0:
        yield 0
        return
    server = make_server(address, port, _application(health), _Server, _Quiet)
    thread = threading.Thread(target=server.serve_forever, name="health", daemon=True)
    thread.start()
    turning = asyncio.create_task(health.turn())
    try:
        yield server.server_port
    finally:
        turning.cancel()
        await asyncio.to_thread(server.shutdown)
        server.server_close()


class _Server(ThreadingMixIn, WSGIServer):
    daemon_threads = True
    block_on_close = False


class _Quiet(WSGIRequestHandler):
    timeout = CALLER_WITHIN_S

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the base class's name
        """Log nothing: probes come every few seconds."""


def _application(health: Health) -> Application:
    from prometheus_client import make_wsgi_app  # noqa: PLC0415 - only where metrics are on

    numbers: Application = make_wsgi_app()

    def application(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        path = environ.get("PATH_INFO", "")
        if path == "/metrics":
            return numbers(environ, start_response)
        if path not in ("/livez", "/readyz"):
            start_response("404 Not Found", [("Content-Type", "text/plain")])
            return [b"try /livez, /readyz or /metrics\n"]
        good = health.is_alive and (path == "/livez" or health.is_ready)
        status = "200 OK" if good else "503 Service Unavailable"
        start_response(status, [("Content-Type", "application/json")])
        return [json.dumps(_body(health)).encode() + b"\n"]

    return application


def _body(health: Health) -> dict[str, Any]:
    return {
        "alive": health.is_alive,
        "parts": {
            name: {"ready": part.ready, "reason": part.reason}
            for name, part in health.parts().items()
        },
    }
