"""A start of ingest loads nothing that it does not use."""

import subprocess
import sys

LISTED = "import sys, imagedrift_ingest.__main__; print(*sys.modules)"


def test_ingest_starts_without_what_draws_on_terminals() -> None:
    """rich, which structlog loads where it is installed, takes a tenth of a start."""
    loaded = subprocess.run(
        [sys.executable, "-c", LISTED], capture_output=True, text=True, check=True
    ).stdout.split()
    assert "structlog" in loaded
    assert "rich" not in loaded
