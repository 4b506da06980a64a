"""`imagedrift-dashboard` as a process: it serves, tells changes, and stops in order."""

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest

from imagedrift_runtime.nats import bus, provision
from imagedrift_runtime.nats.bus import Bus
from imagedrift_sandbox.free_port import free_port
from imagedrift_sandbox.nats import NatsServer
from imagedrift_sandbox.processes import ServiceProcess
from imagedrift_schemas import codec, subjects
from imagedrift_schemas.v1 import Changed
from support import command_fleet, pages
from support.ingest import NOW
from support.operator import Operator
from support.polling import until

SCRIPT = "imagedrift-dashboard"
READING = """
SELECT pid FROM pg_stat_activity
WHERE application_name = 'imagedrift-dashboard' AND xact_start IS NOT NULL
  AND datname = current_database()
"""


class Served:
    """A running process and its address."""

    def __init__(self, process: ServiceProcess, url: str) -> None:
        self.process = process
        self.url = url


@pytest.fixture
async def served(pages_dsn: str, nats_server: NatsServer, tmp_path: Path) -> AsyncIterator[Served]:
    """The service on a free port."""
    port = free_port()
    environment = {
        "DATABASE_URL": pages_dsn,
        "NATS_URL": nats_server.url,
        "IMAGEDRIFT_DASHBOARD_PORT": str(port),
        "IMAGEDRIFT_DASHBOARD_ROLE": "imagedrift_operator",
        "IMAGEDRIFT_LOG": "json",
    }
    async with ServiceProcess.start(SCRIPT, environment, log=tmp_path / "log") as process:
        yield Served(process, f"http://127.0.0.1:{port}")


@pytest.fixture
async def nats(nats_server: NatsServer) -> AsyncIterator[Bus]:
    """A connection to a server with streams."""
    async with bus.connect([nats_server.url], "test") as connected:
        await provision.ensure(connected)
        yield connected


async def test_the_service_serves_pages_and_stops_when_told(served: Served) -> None:
    """SIGTERM ends the service with exit code 0 within its bound, an open page notwithstanding."""
    async with httpx.AsyncClient() as client:
        assert (await client.get(served.url)).status_code == 200
        async with client.stream("GET", f"{served.url}/events") as events:
            assert events.status_code == 200
            assert await served.process.stop() == 0
    assert "Traceback" not in served.process.log_text()


async def test_an_open_page_is_told_of_a_changed_verdict(served: Served, nats: Bus) -> None:
    """A change that ingest publishes reaches an open page."""
    async with (
        httpx.AsyncClient() as client,
        client.stream("GET", f"{served.url}/events") as events,
    ):
        lines = events.aiter_lines()
        assert await anext(lines) == "retry: 3000"
        told = await _publish_until_told(nats, lines)

    assert told == {
        "changes": [
            {
                "reference": "docker.io/library/nginx:1.27",
                "verdict": "outdated",
                "hosts": 100_000,
                "running_hosts": 90_000,
            }
        ],
        "more": 0,
    }


async def _publish_until_told(nats: Bus, lines: AsyncIterator[str]) -> object:
    """Publish until the page is told: it may listen a moment after it is ready."""
    changed = Changed(
        registry="docker.io",
        repository="library/nginx",
        tag="1.27",
        platform="linux/amd64",
        image_id="sha256:" + "01" * 32,
        from_verdict="current",
        from_reason="digest_match",
        to_verdict="outdated",
        to_reason="digest_differs",
        changed_at=NOW,
        hosts=100_000,
        running_hosts=90_000,
    )
    waiting = asyncio.ensure_future(_next_event(lines))
    while not waiting.done():
        await nats.publish(subjects.CHANGED_ALL.replace("*", "x"), codec.encode(changed))
        await asyncio.wait({waiting}, timeout=0.5)
    return json.loads(waiting.result())


async def _next_event(lines: AsyncIterator[str]) -> str:
    async for line in lines:
        if line.startswith("data: "):
            return line.removeprefix("data: ")
    raise AssertionError("the events ended")


async def test_a_csv_that_nobody_reads_on_is_ended_in_order(
    own_dsn: str, nats_server: NatsServer, tmp_path: Path
) -> None:
    """A client that goes in the middle of a table leaves no transaction and no error."""
    await command_fleet.add_outdated(own_dsn, 10_000)

    async def is_reading() -> bool:
        return bool(await Operator(own_dsn).ask(READING))

    async with pages.served(own_dsn, nats_server.url, tmp_path) as url:
        async with (
            httpx.AsyncClient() as client,
            client.stream("GET", f"{url}/due?csv=due") as table,
        ):
            await anext(table.aiter_bytes())
            await until(is_reading, "a transaction waits for the client")

        async def is_over() -> bool:
            return not await is_reading()

        await until(is_over, "no transaction is left")
    assert '"level": "error"' not in (tmp_path / "log").read_text()


async def test_a_taken_port_is_told(pages_dsn: str, served: Served, tmp_path: Path) -> None:
    """A second service on the same port ends with a line that names the setting."""
    port = served.url.rpartition(":")[2]
    environment = {"DATABASE_URL": pages_dsn, "IMAGEDRIFT_DASHBOARD_PORT": port}
    second = ServiceProcess.spawn(SCRIPT, environment, log=tmp_path / "second")

    assert await second.ended() == 1
    assert "IMAGEDRIFT_DASHBOARD_PORT" in second.log_text()


async def test_an_address_for_other_machines_needs_a_proxy(pages_dsn: str, tmp_path: Path) -> None:
    """An address beyond this machine without a proxy is a wrong setting."""
    environment = {"DATABASE_URL": pages_dsn, "IMAGEDRIFT_DASHBOARD_ADDRESS": "0.0.0.0"}
    refused = ServiceProcess.spawn(SCRIPT, environment, log=tmp_path / "log")

    assert await refused.ended() == 2
    assert "IMAGEDRIFT_DASHBOARD_PROXIES" in refused.log_text()


async def test_pages_are_served_while_nats_is_away(pages_dsn: str, tmp_path: Path) -> None:
    """Without NATS only the live updates are missing."""
    port = free_port()
    environment = {
        "DATABASE_URL": pages_dsn,
        "NATS_URL": f"nats://127.0.0.1:{free_port()}",
        "IMAGEDRIFT_DASHBOARD_PORT": str(port),
    }
    async with (
        ServiceProcess.start(SCRIPT, environment, log=tmp_path / "log") as process,
        httpx.AsyncClient() as client,
    ):
        assert (await client.get(f"http://127.0.0.1:{port}/hosts")).status_code == 200
        assert await process.stop() == 0
