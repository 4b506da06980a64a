"""Rules of the connection that need no server, and rules of the source that tools can check."""

import ast
import random
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest
from hypothesis import given
from hypothesis import strategies as st

import imagedrift_runtime
from imagedrift_runtime.import_guard import hide_module
from imagedrift_runtime.nats.connect_options import ConnectOptions, jitter, next_server
from imagedrift_runtime.waiting import backoff

SOURCES = sorted(Path(imagedrift_runtime.__file__).parent.rglob("*.py"))
PACKAGE = Path(imagedrift_runtime.__file__).parent


@given(st.lists(st.integers(0, 1000), min_size=1))
def test_the_server_that_failed_least_is_next_and_the_wait_is_bounded(failures: list[int]) -> None:
    """So every server of a cluster is tried, and a long outage is not hammered."""
    servers = [SimpleNamespace(reconnects=count) for count in failures]

    server, wait = next_server(servers, {})

    assert server.reconnects == min(failures)
    assert 0 <= wait <= 30


def test_reconnects_are_spread() -> None:
    """Full jitter: of a fleet that was cut off together, a tenth returns in each tenth."""
    random.seed(7)
    waits = [jitter(10) for _ in range(10_000)]

    for tenth in range(10):
        share = sum(3 * tenth <= wait < 3 * (tenth + 1) for wait in waits) / len(waits)
        assert 0.08 < share < 0.12


@given(st.integers(0, 10_000))
def test_a_failed_fetch_always_waits(failures: int) -> None:
    """At least a tenth of a second, at most ten: a loop that does not wait spins."""
    assert 0.1 <= backoff(failures) <= 10


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("nats://127.0.0.1:4222", "nats://127.0.0.1:4222"),
        ("nats://user:pa@ss@host:4222", "nats://***@host:4222"),
        ("tls://token@host", "tls://***@host"),
        ("nats://user:pa/ss@host", "nats://***@host"),
    ],
)
def test_an_address_is_shown_without_its_password(url: str, shown: str) -> None:
    """A token or a password in an address reaches no log and no error."""
    assert str(ConnectOptions(urls=(url,), name="t")) == shown


def test_without_a_spool_the_client_keeps_nothing() -> None:
    """A negative size is what makes nats-py refuse at once while disconnected."""
    assert ConnectOptions(urls=(), name="t", spool=False).for_client()["pending_size"] == -1
    assert ConnectOptions(urls=(), name="t").for_client()["pending_size"] > 0


def test_a_hidden_module_is_back_afterwards() -> None:
    """And one that is loaded already is not hidden."""
    with pytest.raises(ModuleNotFoundError), hide_module("this_is_nowhere"):
        __import__("this_is_nowhere")
    with hide_module("json"):
        __import__("json")

    assert "this_is_nowhere" not in sys.modules
    assert sys.modules["json"] is not None


def test_nats_py_is_imported_in_one_place() -> None:
    """Elsewhere it would load aiohttp; `service_api` loads a part that only the resolver needs."""
    importers = {
        path.name
        for path in SOURCES
        for node in ast.walk(ast.parse(path.read_text()))
        if (isinstance(node, ast.Import) and any(n.name.startswith("nats") for n in node.names))
        or (isinstance(node, ast.ImportFrom) and (node.module or "").startswith("nats"))
    }

    assert importers == {"nats_py.py", "service_api.py"}


TRAPS = {"publish_async", "ordered_consumer", "watchall", "object_store", "limit_marker_ttl"}


def test_what_is_broken_in_nats_py_is_called_nowhere() -> None:
    """No name, attribute or argument of any member's source is one of them."""
    root = Path(imagedrift_runtime.__file__).parents[3]
    paths = [path for path in root.glob("**/src/**/*.py") if ".venv" not in path.parts]
    assert len(paths) > 20

    used = {
        f"{path.name}: {name}"
        for path in paths
        for node in ast.walk(ast.parse(path.read_text()))
        for kind in ("attr", "id", "arg")
        if (name := getattr(node, kind, None)) in TRAPS
    }

    assert used == set()


def test_the_runtime_knows_no_service() -> None:
    """Importing all of it loads none of them."""
    modules = [path.relative_to(PACKAGE.parent).with_suffix("") for path in SOURCES]
    names = ", ".join(".".join(module.parts) for module in modules if module.stem != "__init__")
    assert "imagedrift_runtime.nats.bus" in names
    program = f"import sys, {names}\nprint([m for m in sys.modules if m.startswith('imagedrift_')])"

    shown = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    ).stdout

    loaded = {name.split(".")[0] for name in ast.literal_eval(shown)}
    assert loaded == {"imagedrift_runtime", "imagedrift_schemas"}
