"""Health and metrics over HTTP: served from threads, told part by part."""

import asyncio
import json
import socket
import threading
import urllib.error
import urllib.request
from typing import Any

import pytest

from imagedrift_runtime import health_server
from imagedrift_runtime.health import Health
from imagedrift_sandbox.free_port import free_port


def ask(port: int, path: str) -> tuple[int, str]:
    """The status and the body of a GET."""
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=5) as response:
            return response.status, response.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode()


async def get_json(port: int, path: str) -> tuple[int, Any]:
    """The same without holding up the loop, the body read as JSON."""
    status, body = await asyncio.to_thread(ask, port, path)
    return status, json.loads(body)


async def test_readiness_names_the_part_that_fails_and_why() -> None:
    """503 with the reason while a part fails; the process is alive all the same."""
    state = Health(["nats", "database"])
    async with health_server.serve(state, free_port()) as port:
        state.ready("nats")
        state.failed("database", "no connection to db:5432")
        ready, alive = await get_json(port, "/readyz"), await get_json(port, "/livez")
        state.ready("database")
        then = await get_json(port, "/readyz")

    assert ready[0] == 503
    assert ready[1]["parts"]["database"] == {"ready": False, "reason": "no connection to db:5432"}
    assert ready[1]["parts"]["nats"]["ready"]
    assert alive[0] == 200
    assert then[0] == 200


async def test_metrics_are_in_prometheus_text_and_other_paths_are_not_there() -> None:
    """A scraper's paths are served, and a wrong path gets a hint."""
    async with health_server.serve(Health(), free_port()) as port:
        status, body = await asyncio.to_thread(ask, port, "/metrics")
        missing, hint = await asyncio.to_thread(ask, port, "/")

    assert status == 200
    assert "# TYPE python_info gauge" in body
    assert missing == 404
    assert "/readyz" in hint


async def test_a_loop_that_is_stuck_fails_its_check() -> None:
    """The check answers from its own thread, and says that the loop does not turn."""
    found: list[tuple[int, str]] = []
    state = Health(turn_every_s=0.02, stuck_after_s=0.6)
    async with health_server.serve(state, free_port()) as port:
        await asyncio.sleep(0.05)
        thread = threading.Timer(1.0, lambda: found.append(ask(port, "/livez")))
        thread.start()
        thread.join()  # the loop is stuck for as long
        await asyncio.sleep(0.05)
        recovered, _ = await get_json(port, "/livez")

    assert found[0][0] == 503
    assert json.loads(found[0][1])["alive"] is False
    assert recovered == 200


async def test_a_caller_that_says_nothing_holds_up_nobody() -> None:
    """One open connection without a request, and the next one is answered."""
    async with health_server.serve(Health(), free_port()) as port:
        with socket.create_connection(("127.0.0.1", port)):
            status, _ = await asyncio.wait_for(get_json(port, "/livez"), 3)

    assert status == 200


async def test_a_taken_port_is_an_error() -> None:
    """No service runs without its checks."""
    async with health_server.serve(Health(), free_port()) as port:
        with pytest.raises(OSError, match="in use"):
            async with health_server.serve(Health(), port):
                pass
