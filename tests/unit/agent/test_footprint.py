"""The modules that an agent loads when it starts: memory on every host of a fleet."""

import pytest

from support.loaded_libraries import libraries_loaded_by


@pytest.fixture(scope="module")
def loaded() -> set[str]:
    """The libraries that a starting agent has loaded."""
    return libraries_loaded_by("imagedrift_agent.__main__")


@pytest.mark.parametrize(
    "library",
    [
        *("httpx", "asyncpg", "rich", "prometheus_client", "yaml", "click", "greenlet"),
        *("argparse", "wsgiref", "socketserver"),
    ],
)
def test_an_agent_does_not_load_what_it_may_never_use(loaded: set[str], library: str) -> None:
    """Each of these costs megabytes; some are installed beside an agent, some come on demand."""
    assert "nats" in loaded
    assert library not in loaded
