"""The command `imagedrift-agent`: its settings, its sources, its ends."""

import json
import re
import subprocess
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from imagedrift_runtime.nats import bus, provision
from imagedrift_sandbox.engine import ScriptedEngine, populate
from imagedrift_sandbox.nats import NatsServer
from imagedrift_sandbox.processes import ServiceProcess, console_script
from imagedrift_schemas import codec, subjects
from imagedrift_schemas.v1 import Inventory
from support.polling import until

D1 = f"sha256:{'a' * 64}"


def run(*words: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run the command to its end."""
    command = [str(console_script("imagedrift-agent")), *words]
    return subprocess.run(
        command, env=environment, capture_output=True, text=True, timeout=30, check=False
    )


@pytest.fixture
async def inventories(nats_server: NatsServer) -> AsyncIterator[list[Inventory]]:
    """Every inventory that is said meanwhile."""
    heard: list[Inventory] = []

    async def hear(_: str, payload: bytes) -> None:
        heard.append(codec.decode(payload, Inventory))

    async with bus.connect([nats_server.url], "test") as connection:
        await provision.ensure(connection)
        await connection.listen(subjects.INVENTORY_ALL, hear)
        yield heard


def test_wrong_settings_are_told_all_at_once() -> None:
    """One line each, with the variable's name; exit code 2, no traceback."""
    done = run(IMAGEDRIFT_SITE="Fra 1", IMAGEDRIFT_INTERVAL="soon", IMAGEDRIFT_PLACE="a//b")

    assert done.returncode == 2
    assert re.findall(r"IMAGEDRIFT_\w+", done.stderr) == [
        "IMAGEDRIFT_SITE",
        "IMAGEDRIFT_PLACE",
        "IMAGEDRIFT_INTERVAL",
    ]


@pytest.mark.parametrize(
    ("words", "environment", "variable"),
    [
        ([], {"DOCKER_HOST": "ssh://host"}, "DOCKER_HOST"),
        (["--source", "images.txt"], {}, "IMAGEDRIFT_SOURCE"),
        (["--source=list:"], {}, "IMAGEDRIFT_SOURCE"),
        ([], {"IMAGEDRIFT_STATE_DIR": "/proc/nowhere"}, "IMAGEDRIFT_STATE_DIR"),
    ],
)
def test_what_only_the_start_finds_is_told_alike(
    words: list[str], environment: dict[str, str], variable: str, tmp_path: Path
) -> None:
    """An address, a source or a folder that cannot be used is a wrong setting, too."""
    done = run(*words, **{"IMAGEDRIFT_STATE_DIR": str(tmp_path), **environment})

    assert done.returncode == 2
    assert f"  {variable}: " in done.stderr
    assert "Traceback" not in done.stderr


def test_faults_that_only_the_start_finds_are_told_together() -> None:
    """The operator corrects them in one go."""
    done = run("--source=images.txt", IMAGEDRIFT_STATE_DIR="/proc/nowhere")

    assert done.returncode == 2
    assert "IMAGEDRIFT_SOURCE" in done.stderr
    assert "IMAGEDRIFT_STATE_DIR" in done.stderr


def test_help_lists_every_setting() -> None:
    """With its default and a sentence."""
    done = run("--help")

    assert done.returncode == 0
    for variable in ("DOCKER_HOST", "IMAGEDRIFT_PLACE", "IMAGEDRIFT_STATE_DIR", "NATS_URL"):
        assert f"  {variable}\n" in done.stdout
    assert "doctor" in done.stdout
    assert "--source" in done.stdout


async def test_everything_that_a_host_is_told_is_said(
    nats_server: NatsServer, inventories: list[Inventory], tmp_path: Path
) -> None:
    """Site, id, labels of engine and operator, place and interval stand in the inventory."""
    async with ScriptedEngine.serving(tmp_path / "socket") as engine:
        populate(engine, images=2, containers=1)
        engine.answers["/info"] = {"Name": "web-0001", "Labels": ["rack=r7", "env=dev"]}
        environment = {
            "NATS_URL": nats_server.url,
            "DOCKER_HOST": engine.host,
            "IMAGEDRIFT_STATE_DIR": str(tmp_path / "state"),
            "IMAGEDRIFT_SITE": "fra1",
            "IMAGEDRIFT_HOST_ID": "told",
            "IMAGEDRIFT_LABELS": "env=prod,owner=team a",
            "IMAGEDRIFT_PLACE": "dc1/pve-3/lxc-104",
            "IMAGEDRIFT_INTERVAL": "77",
        }
        log = tmp_path / "log"
        async with ServiceProcess.start("imagedrift-agent", environment, log=log) as agent:
            await until(lambda: any(each.host == "told" for each in inventories), "the inventory")
            metrics = await agent.metrics()
            code = await agent.stop()

    inventory = next(each for each in inventories if each.host == "told")
    assert (inventory.site, inventory.hostname) == ("fra1", "web-0001")
    assert inventory.labels == {"rack": "r7", "env": "prod", "owner": "team a"}
    assert inventory.place == "dc1/pve-3/lxc-104"
    assert inventory.interval_s == 77
    assert inventory.content == codec.content_hash(inventory.images)
    assert "imagedrift_host_images 2.0" in metrics
    assert 'imagedrift_looks_total{outcome="changed"} 1.0' in metrics
    assert code == 0


async def test_a_list_is_a_source(
    nats_server: NatsServer, inventories: list[Inventory], tmp_path: Path
) -> None:
    """A host without an engine says what its file lists, and the log says what it does not."""
    file = tmp_path / "images.txt"
    file.write_text(f"nginx:1.27@{D1}\nredis:7\n")
    environment = {
        "NATS_URL": nats_server.url,
        "IMAGEDRIFT_STATE_DIR": str(tmp_path / "state"),
        "IMAGEDRIFT_HOST_ID": "listed",
        "IMAGEDRIFT_INTERVAL": "1",
    }
    async with ServiceProcess.start(
        "imagedrift-agent",
        environment,
        log=tmp_path / "log",
        arguments=["--source", f"list:{file}"],
    ):
        await until(lambda: any(each.host == "listed" for each in inventories), "the inventory")
        file.write_text(f"nginx:1.28@{D1}\n")
        await until(
            lambda: (
                [i.reference for i in of("listed", inventories)[-1].images]
                == ["docker.io/library/nginx:1.28"]
            ),
            "the changed file is read",
        )

    first = of("listed", inventories)[0]
    assert [image.reference for image in first.images] == ["docker.io/library/nginx:1.27"]
    assert first.engine == "list"
    refused = [json.loads(line) for line in (tmp_path / "log").read_text().splitlines()]
    [remark] = [each["reason"] for each in refused if each["event"] == "entry.refused"]
    assert remark.startswith("line 2: docker.io/library/redis:7")


def of(host: str, inventories: list[Inventory]) -> list[Inventory]:
    """The last inventory of one host."""
    return [each for each in inventories if each.host == host]
