"""Our services run as processes of their own, and can be watched, paused, stopped and killed."""

import asyncio
import signal
from pathlib import Path

import pytest

from imagedrift_runtime.nats import bus, provision
from imagedrift_sandbox.child_process import ProgramError, ProgramMissing
from imagedrift_sandbox.http_probe import http_status
from imagedrift_sandbox.nats import NatsServer
from imagedrift_sandbox.processes import ServiceProcess


@pytest.fixture
async def environment(fresh_nats: NatsServer) -> dict[str, str]:
    """The needs of a resolver: a NATS server with the streams."""
    async with bus.connect([fresh_nats.url], "test") as connection:
        await provision.ensure(connection)
    return {"NATS_URL": fresh_nats.url, "IMAGEDRIFT_LOG": "json"}


async def test_a_service_is_ready_is_measured_and_stops(
    environment: dict[str, str], tmp_path: Path
) -> None:
    """A service says when it is ready, shows metrics, logs to its file, and exits 0 on SIGTERM."""
    log = tmp_path / "resolver.log"
    async with ServiceProcess.start("imagedrift-resolver", environment, log=log) as service:
        ready = await asyncio.to_thread(http_status, f"{service.metrics_url}/readyz")
        metrics = await service.metrics()
        running = service.exit_code
        code = await service.stop()

    assert (ready, running, code) == (200, None, 0)
    assert "# TYPE" in metrics
    assert service.log_text()
    assert service.name == "imagedrift-resolver"


async def test_a_service_can_be_paused_and_killed(
    environment: dict[str, str], tmp_path: Path
) -> None:
    """Paused it answers nothing, resumed it does, killed it is gone at once."""
    log = tmp_path / "resolver.log"
    async with ServiceProcess.start("imagedrift-resolver", environment, log=log) as service:
        where = f"{service.metrics_url}/livez"
        service.pause()
        paused = await asyncio.to_thread(http_status, where)
        service.resume()
        resumed = await asyncio.to_thread(http_status, where)
        killed = service.kill()

    assert (paused, resumed, killed) == (None, 200, -signal.SIGKILL)


async def test_a_service_with_wrong_settings_ends_by_itself(tmp_path: Path) -> None:
    """Exit 2, all faults named, no traceback; whoever waits for it to be ready is told the same."""
    wrong = {"NATS_URL": "ftp://nowhere", "IMAGEDRIFT_LOG": "loud"}
    service = ServiceProcess.spawn("imagedrift-ingest", wrong, log=tmp_path / "log")
    code = await service.ended()
    log = service.log_text()

    assert code == 2
    assert all(name in log for name in ("NATS_URL", "DATABASE_URL", "IMAGEDRIFT_LOG"))
    assert "Traceback" not in log
    with pytest.raises(ProgramError, match="DATABASE_URL"):
        await service.ready()


async def test_a_script_that_is_not_installed_is_named(tmp_path: Path) -> None:
    """The error names the script."""
    with pytest.raises(ProgramMissing, match="imagedrift-nonsense is missing"):
        ServiceProcess.spawn("imagedrift-nonsense", {}, log=tmp_path / "log")
