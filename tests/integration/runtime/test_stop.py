"""A service stops at once while it still waits for its servers."""

import time
from pathlib import Path

import pytest

from imagedrift_sandbox.free_port import LOOPBACK, free_port
from imagedrift_sandbox.http_probe import http_status
from imagedrift_sandbox.processes import ServiceProcess
from support.polling import until

AT_ONCE_S = 5.0


@pytest.mark.parametrize("script", ["imagedrift-resolver", "imagedrift-ingest", "imagedrift-agent"])
async def test_a_service_that_waits_for_nats_stops_at_once(script: str, tmp_path: Path) -> None:
    """A service that waits for NATS ends within seconds of SIGTERM, with exit code 0."""
    environment = {
        "NATS_URL": f"nats://{LOOPBACK}:{free_port()}",
        "DATABASE_URL": f"postgresql://nobody@{LOOPBACK}:{free_port()}/none",
        "IMAGEDRIFT_STATE_DIR": str(tmp_path),
        "IMAGEDRIFT_LOG": "json",
    }
    service = ServiceProcess.spawn(script, environment, log=tmp_path / "log")

    async def waits() -> bool:
        return http_status(f"{service.metrics_url}/readyz") == 503

    await until(waits, what="it has started, and is not ready")

    began = time.monotonic()
    code = await service.stop()

    assert code == 0, service.log_text()
    assert time.monotonic() - began < AT_ONCE_S
    assert '"event": "service.stopped"' in service.log_text()
