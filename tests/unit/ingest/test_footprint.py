"""The modules that ingest loads when it starts: time and memory of each process."""

import subprocess
import sys

import pytest

LISTED = "import sys, imagedrift_ingest.__main__; print(*sys.modules)"


@pytest.fixture(scope="module")
def loaded() -> set[str]:
    """The libraries that a starting ingest has loaded."""
    done = subprocess.run(
        [sys.executable, "-c", LISTED], capture_output=True, text=True, check=True
    )
    return {name.partition(".")[0] for name in done.stdout.split()}


@pytest.mark.parametrize(
    "library",
    [
        *("pogo_core", "sqlparse", "httpx", "aiohttp", "rich", "click", "prometheus_client"),
        *("greenlet", "argparse"),
    ],
)
def test_ingest_does_not_load_what_other_commands_use(loaded: set[str], library: str) -> None:
    """The libraries of migrations, of requests and of the command are not loaded by ingest."""
    assert "asyncpg" in loaded
    assert library not in loaded
