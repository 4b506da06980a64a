"""The modules that ingest loads when it starts: time and memory of each process."""

import pytest

from support.loaded_libraries import libraries_loaded_by


@pytest.fixture(scope="module")
def loaded() -> set[str]:
    """The libraries that a starting ingest has loaded."""
    return libraries_loaded_by("imagedrift_ingest.__main__")


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
