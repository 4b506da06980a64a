"""`imagedrift scan` compares a real engine's images with a real registry, without a server."""

import asyncio
import json
import subprocess
from pathlib import Path
from typing import Any

import pytest

from imagedrift_sandbox.processes import console_script
from imagedrift_sandbox.stack import Stack, named_registry
from support.engine import DockerEngine, DockerRegistry
from support.operator import Operator

pytestmark = pytest.mark.real


def scan(
    engine: DockerEngine, registry: DockerRegistry, folder: Path, *images: str, nats_url: str = ""
) -> tuple[int, dict[str, dict[str, Any]]]:
    """Run the command, and return its exit code and its rows by reference."""
    registries = folder / "registries.toml"
    registries.write_text(named_registry(registry.host))
    done = subprocess.run(
        [console_script("imagedrift"), "scan", "--json", *images],
        env={
            "DOCKER_HOST": engine.host,
            "IMAGEDRIFT_REGISTRIES": str(registries),
            "HOME": str(folder),
            "NATS_URL": nats_url,
        },
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert "Traceback" not in done.stderr
    rows = json.loads(done.stdout) if done.stdout else []
    return done.returncode, {row["reference"]: row for row in rows}


def test_a_scan_judges_what_is_here_and_says_it_in_its_exit_code(
    docker_engine: DockerEngine, fresh_docker_registry: DockerRegistry, tmp_path: Path
) -> None:
    """A scan exits with 0 when nothing is outdated, 1 after a tag moved, 2 for an unknown image."""
    docker_registry = fresh_docker_registry
    current = f"{docker_registry.host}/scan/app:1"
    docker_engine.build(current, "scan one")
    docker_engine.push(current)
    docker_engine.build("scan/built-here:1", "scan two")

    code, rows = scan(docker_engine, docker_registry, tmp_path)

    assert (code, rows[current]["verdict"]) == (0, "current")
    assert rows["docker.io/scan/built-here:1"]["verdict"] == "local"

    docker_engine.run(current, "scan-app")
    docker_engine.build(current, "scan newer")
    newer = docker_engine.push(current)

    code, rows = scan(docker_engine, docker_registry, tmp_path, current)

    assert code == 1
    assert set(rows) == {current}
    assert rows[current]["remote_digest"] == newer

    docker_registry.delete_tag("scan/app", "1")
    docker_engine.remove("scan-app")

    code, rows = scan(docker_engine, docker_registry, tmp_path, current)

    assert (code, rows[current]["verdict"]) == (3, "missing")

    docker_registry.stop()

    code, rows = scan(docker_engine, docker_registry, tmp_path, current)

    assert (code, rows[current]["verdict"]) == (2, "unknown")
    assert rows[current]["reason"] == "unreachable"


def test_an_image_that_is_not_here_is_named(
    docker_engine: DockerEngine, docker_registry: DockerRegistry, tmp_path: Path
) -> None:
    """A scan of an image that the host does not have exits with 4, and names the image."""
    code, rows = scan(docker_engine, docker_registry, tmp_path, "no/such:image")

    assert (code, rows) == (4, {})


async def test_a_scan_asks_the_fleet_first(
    docker_engine: DockerEngine, docker_registry: DockerRegistry, tmp_path: Path
) -> None:
    """A scan uses the fleet's cached answers, so the registry gets no second request."""
    reference = f"{docker_registry.host}/scan/shared:1"
    docker_engine.build(reference, "shared")
    docker_engine.push(reference)
    registries = named_registry(docker_registry.host)
    async with Stack.running(tmp_path / "stack", registries_toml=registries) as stack:
        await stack.start_ingest()
        await stack.start_resolver()
        await stack.start_agent(host="scanned", docker_host=docker_engine.host)
        await Operator(stack.dsn).sees(reference, verdict="current")
        asked = docker_registry.requests("HEAD", "scan/shared/manifests/1")

        code, rows = await asyncio.to_thread(
            scan, docker_engine, docker_registry, tmp_path, nats_url=stack.nats.url
        )

    assert (code, rows[reference]["verdict"]) == (0, "current")
    assert docker_registry.requests("HEAD", "scan/shared/manifests/1") == asked
