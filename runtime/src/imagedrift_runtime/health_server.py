"""The HTTP server of health and metrics.

`/livez` answers 200 while the event loop turns; `/readyz` while every part is ready too, and names
those that are not; `/metrics` is in Prometheus' text form. They are served from threads: a stuck
loop shows as a failing check and not as a hanging one, and a slow caller holds up no other.

A process imports this module only where its metrics are on: without it an agent has 1 MB less.
"""

import asyncio
import json
import threading
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager
from socketserver import ThreadingMixIn
from typing import Any
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer, make_server

from prometheus_client import make_wsgi_app

from imagedrift_runtime.health import Health

CALLER_WITHIN_S = 5.0

WsgiApplication = Callable[[dict[str, Any], Callable[..., Any]], Iterable[bytes]]


@asynccontextmanager
async def serve(health: Health, port: int, address: str = "127.0.0.1") -> AsyncIterator[int]:
    """Serve health and metrics while the context lasts; yields the port.

    Raises `OSError` when the address cannot be had.
    """
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


def _application(health: Health) -> WsgiApplication:
    numbers: WsgiApplication = make_wsgi_app()

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
