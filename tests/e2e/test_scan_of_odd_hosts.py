"""`imagedrift scan` on a host with a broken container, or behind a page in the registry's place."""

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from imagedrift_sandbox.engine import Refusal, ScriptedEngine
from imagedrift_sandbox.processes import console_script
from imagedrift_sandbox.registry import Fault, SandboxRegistry
from imagedrift_sandbox.stack import named_registry
from support.engine_replies import Held, Variant, replies

IMAGES = 5
SICK = "f" * 64


class Host(NamedTuple):
    """A host with five current images, its registry, and the folder of its settings."""

    engine: ScriptedEngine
    registry: SandboxRegistry
    folder: Path


class Scanned(NamedTuple):
    """The output and the exit code of a scan."""

    code: int
    rows: list[dict[str, Any]]
    told: str


@pytest.fixture
async def host(tmp_path: Path) -> AsyncIterator[Host]:
    """An engine on a socket, and a registry with the images that it runs."""
    async with (
        SandboxRegistry().serving() as registry,
        ScriptedEngine.serving(tmp_path / "engine.sock") as engine,
    ):
        pushed = [registry.push_image(f"app-{n}", "1") for n in range(IMAGES)]
        variants = [Variant(each.digest, each.configs["linux/amd64"]) for each in pushed]
        held = [
            Held(f"{registry.host}/app-{n}", one.manifest, (one,), runs=(one,))
            for n, one in enumerate(variants)
        ]
        engine.answers = replies("classic", "linux/amd64", held)
        yield Host(engine, registry, tmp_path)


async def scan(host: Host) -> Scanned:
    """Run the command as an operator does."""
    registries = host.folder / "registries.toml"
    registries.write_text(named_registry(host.registry.host))
    environment = {
        "DOCKER_HOST": host.engine.host,
        "IMAGEDRIFT_REGISTRIES": str(registries),
        "HOME": str(host.folder),
    }
    process = await asyncio.create_subprocess_exec(
        *(console_script("imagedrift"), "scan", "--json"),
        env=environment,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    async with asyncio.timeout(60):
        printed, told = await process.communicate()
    assert b"Traceback" not in told
    return Scanned(process.returncode or 0, json.loads(printed or b"[]"), told.decode())


@pytest.mark.parametrize("status", [500, 403])
async def test_one_sick_container_hides_no_image(host: Host, status: int) -> None:
    """A scan judges the five good images, and counts the broken one (containrrr/watchtower#531)."""
    sick = {"Id": SICK, "Image": f"sha256:{SICK}", "ImageID": f"sha256:{SICK}", "State": "dead"}
    host.engine.answers["/containers/json"].append(sick)
    host.engine.answers[f"/containers/{SICK}/json"] = Refusal(status)

    found = await scan(host)

    assert (found.code, len(found.rows)) == (0, IMAGES)
    assert {row["verdict"] for row in found.rows} == {"current"}
    assert "container_unreadable" in found.told


@pytest.mark.parametrize(
    "body", ["404 page not found", "default backend - 404", "<html>404</html>"]
)
async def test_a_page_in_the_registrys_place_is_no_missing_tag(host: Host, body: str) -> None:
    """A 404 with a web page leaves the verdict unknown (traefik/traefik#1077)."""
    host.registry.misbehave(Fault(status=404, body=body, content_type="text/plain"))

    found = await scan(host)

    assert found.code == 2
    assert {(row["verdict"], row["reason"]) for row in found.rows} == {("unknown", "unreachable")}
