"""The import contracts hold, and the check of each can fail.

All violations are planted at once, and the contracts are checked once: a check takes seconds.
"""

import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
MEMBERS = (
    "schemas",
    "runtime",
    "services/agent",
    "services/registry-resolver",
    "services/ingest",
    "services/dashboard",
    "services/notifier",
    "sandbox",
    "cli",
    "bench",
)

PLANTED = {
    "a service imports another": (
        "imagedrift_agent/service.py",
        "import imagedrift_resolver",
        "members:",
    ),
    "the runtime knows a service": (
        "imagedrift_runtime/clock.py",
        "import imagedrift_agent",
        "members:",
    ),
    "the command imports a benchmark": (
        "imagedrift_cli/lazy.py",
        "import imagedrift_bench",
        "members:",
    ),
    "an operator's command imports the embedded servers": (
        "imagedrift_cli/lazy.py",
        "import imagedrift_sandbox.stack",
        "servers:",
    ),
    "a service imports nats-py": (
        "imagedrift_ingest/adapters/jetstream/streams.py",
        "import nats.js.errors",
        "nats:",
    ),
    "the runtime imports nats-py outside its package": (
        "imagedrift_runtime/process.py",
        "from nats.errors import Error",
        "nats:",
    ),
    "a benchmark imports nats-py": (
        "imagedrift_bench/flip.py",
        "import nats",
        "nats:",
    ),
    "a service imports structlog": (
        "imagedrift_ingest/wiring.py",
        "import structlog",
        "structlog:",
    ),
    "a service imports httpx": (
        "imagedrift_notifier/adapters/webhook.py",
        "import httpx",
        "httpx:",
    ),
    "a core reads the clock": (
        "imagedrift_ingest/core/verdict.py",
        "import time",
        "pure:",
    ),
    "a service's core uses its adapters": (
        "imagedrift_agent/core/inventory.py",
        "import imagedrift_agent.adapters",
        "agent:",
    ),
    "the service uses an adapter": (
        "imagedrift_agent/service.py",
        "import imagedrift_agent.adapters",
        "agent:",
    ),
    "a use case of ingest uses an adapter": (
        "imagedrift_ingest/usecases/plan.py",
        "import imagedrift_ingest.adapters.postgres.questions",
        "ingest:",
    ),
    "an adapter of ingest uses a use case": (
        "imagedrift_ingest/adapters/postgres/outbox.py",
        "import imagedrift_ingest.usecases.announce",
        "ingest:",
    ),
    "a use case of ingest uses another one": (
        "imagedrift_ingest/usecases/plan.py",
        "import imagedrift_ingest.usecases.announce",
        "ingest-usecases:",
    ),
    "a handler of ingest uses another one": (
        "imagedrift_ingest/usecases/store/answers.py",
        "import imagedrift_ingest.usecases.store.inventories",
        "ingest-store:",
    ),
    "ingest's side of NATS uses that of PostgreSQL": (
        "imagedrift_ingest/adapters/jetstream/streams.py",
        "import imagedrift_ingest.adapters.postgres.outbox",
        "ingest-adapters:",
    ),
    "references of ingest know what is made of them": (
        "imagedrift_ingest/adapters/postgres/references.py",
        "import imagedrift_ingest.adapters.postgres.comparisons",
        "ingest-postgres:",
    ),
    "what ingest stores of hosts knows the planner's questions": (
        "imagedrift_ingest/adapters/postgres/hosts.py",
        "import imagedrift_ingest.adapters.postgres.questions",
        "ingest-postgres:",
    ),
    "a part of ingest's side of NATS uses another one": (
        "imagedrift_ingest/adapters/jetstream/streams.py",
        "import imagedrift_ingest.adapters.jetstream.lanes",
        "ingest-jetstream:",
    ),
    "a page knows the database": (
        "imagedrift_dashboard/pages/hosts.py",
        "import imagedrift_dashboard.adapters.database",
        "dashboard:",
    ),
    "a page uses another page": (
        "imagedrift_dashboard/pages/hosts.py",
        "import imagedrift_dashboard.pages.fleet",
        "dashboard's pages:",
    ),
    "the database knows the web": (
        "imagedrift_dashboard/adapters/database.py",
        "import imagedrift_dashboard.adapters.web",
        "dashboard's adapters:",
    ),
    "a use case of the notifier uses an adapter": (
        "imagedrift_notifier/usecases/sweep.py",
        "import imagedrift_notifier.adapters.due_views",
        "notifier:",
    ),
    "what sends messages knows what writes them": (
        "imagedrift_notifier/usecases/deliver.py",
        "import imagedrift_notifier.usecases.compose",
        "notifier's use cases:",
    ),
    "the notifier's database knows a channel": (
        "imagedrift_notifier/adapters/database.py",
        "import imagedrift_notifier.adapters.webhook",
        "notifier's adapters:",
    ),
    "the notifier's webhook imports apprise": (
        "imagedrift_notifier/adapters/webhook.py",
        "import apprise",
        "apprise:",
    ),
    "a limiter knows all limiters": (
        "imagedrift_resolver/rate_limiter.py",
        "import imagedrift_resolver.rate_limiters",
        "resolver:",
    ),
    "the resolver's service uses an adapter": (
        "imagedrift_resolver/service.py",
        "import imagedrift_resolver.adapters.oci_client",
        "resolver:",
    ),
    "the webhook knows the client of registries": (
        "imagedrift_resolver/adapters/webhook.py",
        "import imagedrift_resolver.adapters.oci_client",
        "resolver's adapters:",
    ),
    "a half of the agent imports the other": (
        "imagedrift_agent/reporter.py",
        "import imagedrift_agent.watcher",
        "agent:",
    ),
    "an adapter of the agent imports another technology's": (
        "imagedrift_agent/adapters/jetstream.py",
        "import imagedrift_agent.adapters.engine",
        "agent's adapters:",
    ),
    "a record of the engine knows the inventory": (
        "imagedrift_agent/core/records.py",
        "import imagedrift_agent.core.inventory",
        "agent's core:",
    ),
    "the agent imports aiodocker elsewhere": (
        "imagedrift_agent/doctor.py",
        "import aiodocker",
        "aiodocker:",
    ),
    "another member imports aiodocker": (
        "imagedrift_cli/lazy.py",
        "from aiodocker.exceptions import DockerError",
        "aiodocker:",
    ),
    "health knows the process": (
        "imagedrift_runtime/health.py",
        "import imagedrift_runtime.process",
        "runtime:",
    ),
    "the connection knows the bus": (
        "imagedrift_runtime/nats/connection.py",
        "import imagedrift_runtime.nats.bus",
        "runtime's NATS:",
    ),
    "a registry's table knows the file": (
        "imagedrift_runtime/registries/registry.py",
        "import imagedrift_runtime.registries.operator_file",
        "runtime's registries.toml:",
    ),
    "a service takes nats-py's client": (
        "imagedrift_ingest/adapters/jetstream/streams.py",
        "import imagedrift_runtime.nats.connection",
        "connection:",
    ),
    "schemas does I/O": (
        "imagedrift_schemas/digest.py",
        "import socket",
        "pure:",
    ),
}


def copy_of_sources(folder: Path) -> Path:
    """Copy every member's packages into one folder, so that a violation can be planted."""
    for member in MEMBERS:
        shutil.copytree(ROOT / member / "src", folder, dirs_exist_ok=True)
    return folder


def lint_imports(sources: Path) -> subprocess.CompletedProcess[str]:
    """Run the project's import contracts over `sources`."""
    program = Path(sys.executable).with_name("lint-imports")
    return subprocess.run(
        [program, "--config", ROOT / "pyproject.toml", "--no-cache"],
        cwd=sources,
        env={"PYTHONPATH": str(sources), "PATH": "/usr/bin:/bin", "COLUMNS": "500"},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


@pytest.fixture(scope="module")
def broken(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """The words of the check about each broken contract, by its name; everything is planted."""
    sources = copy_of_sources(tmp_path_factory.mktemp("sources"))
    for name, line, _ in PLANTED.values():
        with (sources / name).open("a") as module:
            module.write(f"\n{line}\n")
    result = lint_imports(sources)

    assert result.returncode == 1
    _, *parts = re.split(r"^(.+)\n-+$", result.stdout, flags=re.MULTILINE)
    return dict(zip(parts[::2], parts[1::2], strict=True))


def test_every_contract_is_kept(tmp_path: Path) -> None:
    """The present sources keep every import contract."""
    result = lint_imports(copy_of_sources(tmp_path))

    assert "0 broken" in result.stdout, result.stdout
    assert result.returncode == 0


def test_a_violation_of_every_contract_is_planted() -> None:
    """A contract without one might never fail."""
    config = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    names = [each["name"] for each in config["tool"]["importlinter"]["contracts"]]

    assert len(names) > 20
    assert {name.partition(":")[0] + ":" for name in names} == {c for *_, c in PLANTED.values()}


@pytest.mark.parametrize("planted", PLANTED)
def test_a_planted_violation_is_found(broken: dict[str, str], planted: str) -> None:
    """Each contract names the import that it forbids."""
    name, line, contract = PLANTED[planted]
    importer = name.removesuffix(".py").replace("/", ".")
    _, imported, *_ = line.split()
    if not imported.startswith("imagedrift_"):
        imported, *_ = imported.split(".")  # a library is known by its package
    told = "".join(text for title, text in broken.items() if title.startswith(contract))

    assert f"{importer} -> {imported} " in told, told or broken.keys()
