"""A start of a service loads nothing that it does not use."""

import subprocess
import sys

import pytest

SERVICES = ("agent", "dashboard", "ingest", "notifier", "resolver")


@pytest.mark.parametrize("service", SERVICES)
def test_a_service_starts_without_what_draws_on_terminals(service: str) -> None:
    """Structlog and httpx load rich where it is installed: 4 MB, and a tenth of a start."""
    listed = f"import sys, imagedrift_{service}.__main__; print(*sys.modules)"

    loaded = subprocess.run(
        [sys.executable, "-c", listed], capture_output=True, text=True, check=True, timeout=60
    ).stdout.split()

    assert "structlog" in loaded
    assert "rich" not in loaded
