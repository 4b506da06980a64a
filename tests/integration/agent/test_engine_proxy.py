"""The proxy that we ship lets the agent work, and nobody do more than that."""

import asyncio
import grp
import os
import subprocess
import tempfile
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from imagedrift_agent.adapters.engine import Engine
from imagedrift_agent.adapters.engine_faults import EngineFault
from imagedrift_agent.core.address import EngineAddress
from imagedrift_sandbox.child_process import ChildProcess
from imagedrift_sandbox.engine import ScriptedEngine, populate
from support.engine_api import UnixConnection
from support.programs import require_program

CONFIG = Path(__file__).parents[3] / "deploy/haproxy/engine-proxy.cfg"
UNIT = CONFIG.with_name("imagedrift-engine-proxy.service")
UNIT_LINES = dict(line.split("=", 1) for line in UNIT.read_text().splitlines() if "=" in line)
pytestmark = pytest.mark.real


@pytest.fixture
def folder() -> Iterator[Path]:
    """A folder whose path is short enough for a socket."""
    with tempfile.TemporaryDirectory(prefix="idrift-") as name:
        yield Path(name)


@pytest.fixture
async def engine(folder: Path) -> AsyncIterator[ScriptedEngine]:
    """An engine behind the proxy; only the places of the sockets are the test's."""
    async with behind_proxy(folder) as serving:
        yield serving


@asynccontextmanager
async def behind_proxy(folder: Path, denied: str = "") -> AsyncIterator[ScriptedEngine]:
    """Serve an engine behind the proxy, which denies paths of one form more than it does."""
    program = require_program("haproxy", "apt-get install haproxy")
    text = CONFIG.read_text().replace("/var/run/docker.sock", str(folder / "docker.sock"))
    text = text.replace("/run/imagedrift/engine.sock", str(folder / "engine.sock"))
    if denied:
        rule = f"  http-request deny if {{ path_reg ^(/v[0-9.]+)?{denied}$ }}\n"
        text = text.replace("  http-request deny unless", f"{rule}  http-request deny unless")
    ours = grp.getgrgid(os.getegid()).gr_name
    (folder / "proxy.cfg").write_text(text.replace("group imagedrift", f"group {ours}"))
    async with ScriptedEngine.serving(folder / "docker.sock") as serving:
        populate(serving, images=3, containers=2)
        proxy = ChildProcess.spawn(
            [program, *unit_flags(), "-f", folder / "proxy.cfg"], log=folder / "proxy.log"
        )
        socket = folder / "engine.sock"
        await asyncio.to_thread(proxy.wait_until, socket.exists, bound_s=10)
        yield serving
        await asyncio.to_thread(proxy.stop)


def unit_flags() -> list[str]:
    """Return what the unit starts the program with, before its configuration."""
    words = UNIT_LINES["ExecStart"].split()
    assert words[-2:] == ["-f", "/etc/imagedrift/engine-proxy.cfg"]
    return words[1:-2]


def test_the_unit_serves_what_the_configuration_binds() -> None:
    """The unit's folder, its group and the socket's group are of one name, and let it in."""
    assert UNIT_LINES["User"] == UNIT_LINES["Group"] == UNIT_LINES["RuntimeDirectory"]
    bound = f"unix@/run/{UNIT_LINES['RuntimeDirectory']}/engine.sock"
    assert f"bind {bound} mode 660 group {UNIT_LINES['Group']}" in CONFIG.read_text()
    assert UNIT_LINES["RuntimeDirectoryMode"] == "0750"


def test_systemd_takes_the_unit() -> None:
    """Without a complaint, where the program is installed."""
    program = require_program("systemd-analyze", "apt-get install systemd")
    require_program("haproxy", "apt-get install haproxy")
    done = subprocess.run([program, "verify", UNIT], capture_output=True, text=True, check=False)

    assert [line for line in done.stderr.splitlines() if UNIT.name in line] == []


def test_the_proxy_takes_its_configuration_without_a_warning(folder: Path) -> None:
    """As it is shipped, save that this machine may lack the group."""
    program = require_program("haproxy", "apt-get install haproxy")
    ours = grp.getgrgid(os.getegid()).gr_name
    (folder / "proxy.cfg").write_text(
        CONFIG.read_text().replace("group imagedrift", f"group {ours}")
    )
    done = subprocess.run(
        [program, "-c", "-dW", "-f", folder / "proxy.cfg"], capture_output=True, check=False
    )
    assert done.returncode == 0, done.stderr


async def test_the_agent_works_through_the_proxy(engine: ScriptedEngine, folder: Path) -> None:
    """Through the proxy the agent reads images and hears events."""
    source = Engine(lambda: EngineAddress(path=str(folder / "engine.sock")))
    events: Any = source.changes()

    snapshot = await source.take()
    assert await anext(events) is None
    engine.emit("image", "tag")
    event = await anext(events)
    await events.aclose()

    assert len(snapshot.image_list.images) == 3
    assert snapshot.image_list.skipped == {}
    assert event.action == "tag"


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("POST", "/containers/create"),
        ("POST", "/v1.41/images/json"),
        ("DELETE", "/images/x/json"),
        ("GET", "/containers/x/export"),
        ("GET", "/containers/x/archive?path=/etc/shadow"),
        ("GET", "/images/get"),
        ("GET", "/v1.41/secrets"),
        ("GET", "/containers/json/../x/export"),
    ],
)
async def test_everything_else_is_denied(
    engine: ScriptedEngine, folder: Path, method: str, path: str
) -> None:
    """The engine never hears of it."""

    def status() -> int:
        connection = UnixConnection(folder / "engine.sock")
        connection.request(method, path)
        found = connection.getresponse().status
        connection.close()
        return found

    assert await asyncio.to_thread(status) == 403
    assert engine.asked == []


DENIED = {
    "/version": {},
    "/info": {"info_denied": 1},
    "/events": {},
    "/images/[^/]+/json": {"image_unreadable": 3},
    "/containers/[^/]+/json": {"container_unreadable": 1},
}
ID_ONLY = "e" * 64


def show_only_an_id(engine: ScriptedEngine) -> None:
    """Add a container whose reference stands in its details alone."""
    image = engine.answers["/images/json"][0]
    engine.answers["/containers/json"].append(
        {"Id": ID_ONLY, "Names": ["/by-id"], "Image": image["Id"], "ImageID": image["Id"]}
    )
    detail = {"Id": ID_ONLY, "Config": {"Image": image["RepoTags"][0]}}
    engine.answers[f"/containers/{ID_ONLY}/json"] = detail


@pytest.mark.parametrize(("denied", "skipped"), DENIED.items(), ids=DENIED.keys())
async def test_a_call_that_is_denied_costs_what_the_manual_says(
    folder: Path, denied: str, skipped: dict[str, int]
) -> None:
    """The lines of the table in docs/agent.md without which a host is still reported."""
    async with behind_proxy(folder, denied) as engine:
        show_only_an_id(engine)
        source = Engine(lambda: EngineAddress(path=str(folder / "engine.sock")))

        snapshot = await source.take()

    assert len(snapshot.image_list.images) == 3
    assert snapshot.image_list.skipped == skipped


@pytest.mark.parametrize("denied", ["/images/json", "/containers/json"])
async def test_a_list_that_is_denied_is_named(folder: Path, denied: str) -> None:
    """The lines of that table without which nothing is known of the host."""
    async with behind_proxy(folder, denied):
        source = Engine(lambda: EngineAddress(path=str(folder / "engine.sock")))

        with pytest.raises(EngineFault, match=f"{denied}: 403"):
            await source.take()


def test_the_manual_lists_every_call_that_the_proxy_lets_through() -> None:
    """The calls that an engine has to allow are one table, tested line by line."""
    manual = (CONFIG.parents[2] / "docs/agent.md").read_text()
    calls = ["/images/json", "/containers/json", *DENIED]

    for call in calls:
        line = call.replace("[^/]+", "{id}")
        assert f"| `GET {line}` |" in manual
