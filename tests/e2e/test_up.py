"""`imagedrift up` as a user runs it: whenever it is stopped, it leaves no process behind."""

import asyncio
import itertools
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import httpx
import pytest

from imagedrift_sandbox.engine import ScriptedEngine, populate
from imagedrift_sandbox.processes import BASE_ENVIRONMENT, console_script
from support.polling import until

WITHIN_S = 60.0
UNWANTED = ("Traceback", "never retrieved", "Error:")

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")


@pytest.fixture
def folder() -> Iterator[Path]:
    """A folder for the command, outside of pytest's: PostgreSQL's user has to reach it."""
    with tempfile.TemporaryDirectory(prefix="idrift-") as home:
        Path(home).chmod(0o755)
        yield Path(home)


@pytest.fixture
async def engine(folder: Path) -> AsyncIterator[ScriptedEngine]:
    """An engine with a few images, whose registry cannot be reached."""
    async with ScriptedEngine.serving(folder / "engine.sock") as scripted:
        populate(scripted, 3, 1)
        yield scripted


@pytest.fixture
def up(folder: Path, engine: ScriptedEngine) -> Iterator[subprocess.Popen[bytes]]:
    """The command in its own session, as on a terminal; killed at the end if it still runs."""
    process = start(folder, DOCKER_HOST=engine.host)
    yield process
    if process.poll() is None:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()


@pytest.mark.parametrize(
    "begun",
    ["home/postgres/cluster/base", "home/imagedrift-ingest-1.log"],
    ids=["initdb", "services"],
)
async def test_ctrl_c_while_it_starts_ends_all_that_was_started(
    up: subprocess.Popen[bytes], folder: Path, begun: str
) -> None:
    """Ctrl-C while `up` starts ends every program that it started, without a message."""
    await until((folder / begun).exists, begun, within_s=WITHIN_S)

    os.killpg(up.pid, signal.SIGINT)
    await until(lambda: up.poll() is not None, "the end", within_s=WITHIN_S)

    assert up.returncode == 130
    assert_nothing_is_left(folder)


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM])
async def test_a_signal_stops_it_in_order(
    up: subprocess.Popen[bytes], folder: Path, how: signal.Signals
) -> None:
    """SIGTERM after `up` has started ends it in order, with exit code 0."""
    await until(lambda: "Ctrl-C stops." in output(folder), "its address", within_s=WITHIN_S)

    os.killpg(up.pid, how)
    await until(lambda: up.poll() is not None, "the end", within_s=WITHIN_S)

    assert up.returncode == 0, output(folder)
    assert_nothing_is_left(folder)


async def test_a_second_up_is_refused_and_down_ends_the_first(
    up: subprocess.Popen[bytes], folder: Path, engine: ScriptedEngine
) -> None:
    """A second `up` is refused and names the first; after `down` the addresses are the same."""
    await until(lambda: "Ctrl-C stops." in output(folder), "its address", within_s=WITHIN_S)
    addresses = addresses_in(output(folder))
    assert len(addresses) == 2
    shown = addresses[0].removeprefix("pages: ")
    assert f"IMAGEDRIFT_DASHBOARD_URL={shown}\n" in output(folder)
    async with httpx.AsyncClient() as client:
        assert (await client.get(shown)).status_code == 200
    environment = BASE_ENVIRONMENT | {"DOCKER_HOST": engine.host, "HOME": str(folder)}

    def run(*arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [console_script("imagedrift"), *arguments, "--home", str(folder / "home")],
            env=environment, capture_output=True, text=True, check=False, timeout=WITHIN_S,
        )  # fmt: skip

    second = await asyncio.to_thread(run, "up")
    assert second.returncode == 69
    assert f"already running in {folder}/home: pid {up.pid}, PostgreSQL 127.0.0.1:" in second.stderr
    assert len(second.stderr.splitlines()) == 1

    ended = await asyncio.to_thread(run, "down")
    assert ended.stdout.startswith(f"stopped: pid {up.pid}"), ended.stderr
    assert up.wait() == 0
    assert (await asyncio.to_thread(run, "down")).stdout.startswith("not running")
    assert_nothing_is_left(folder)

    again = start(folder, DOCKER_HOST=engine.host)
    try:
        await until(lambda: "Ctrl-C stops." in output(folder), "its address", within_s=WITHIN_S)
        assert addresses_in(output(folder)) == addresses
    finally:
        os.killpg(again.pid, signal.SIGTERM)
        again.wait(WITHIN_S)


async def test_an_up_that_was_killed_is_followed_by_one_at_the_same_addresses(folder: Path) -> None:
    """A killed `up` takes all that it started with it; the source that is set holds for both."""
    (folder / "images.txt").write_text(f"docker.io/library/app:1@sha256:{'a' * 64}\n")
    source = {"IMAGEDRIFT_SOURCE": f"list:{folder}/images.txt"}
    told = []
    for how in (signal.SIGKILL, signal.SIGTERM):
        process = start(folder, **source)
        await until(lambda: "library/app:1" in output(folder), "a verdict", within_s=WITHIN_S)
        told.append(addresses_in(output(folder)))

        process.send_signal(how)
        process.wait(WITHIN_S)
        await until(lambda: not processes_that_name(f"{folder}/home"), "no process", within_s=10)

    assert told[0] == told[1]


@pytest.mark.parametrize(
    "program",
    ["nats-server", "postgres", "imagedrift-ingest", "imagedrift-resolver", "imagedrift-agent"],
)
async def test_a_program_that_dies_ends_it(
    up: subprocess.Popen[bytes], folder: Path, program: str
) -> None:
    """Verdicts that nobody looks after are not shown on: which program died is told."""
    await until(lambda: "Ctrl-C stops." in output(folder), "its address", within_s=WITHIN_S)

    os.kill(child_of(up.pid, program), signal.SIGKILL)
    await until(lambda: up.poll() is not None, "the end", within_s=WITHIN_S)

    assert up.returncode == 69
    [line] = [line for line in output(folder).splitlines() if line.startswith("Error: ")]
    assert line.startswith(f"Error: {program} has ended with -9: its log is {folder}/home")
    assert processes_that_name(f"{folder}/home") == []


@pytest.fixture
def small_disk(folder: Path, request: pytest.FixtureRequest) -> Iterator[Path]:
    """A file system with too little room for a database, or for the streams of NATS."""
    disk = folder / "disk"
    disk.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", f"size={request.param},mode=755", "tmpfs", str(disk)]
    if os.geteuid() != 0 or subprocess.run(mount, capture_output=True, check=False).returncode:
        pytest.skip("only root mounts a file system, and not in every container")
    yield disk
    subprocess.run(["umount", "--lazy", str(disk)], check=True)


@pytest.mark.parametrize(
    ("small_disk", "word"),
    [("16m", "No space left on device"), ("60m", "insufficient storage")],
    indirect=["small_disk"],
)
async def test_a_full_disk_is_told_in_a_line(
    small_disk: Path, folder: Path, engine: ScriptedEngine, word: str
) -> None:
    """A full disk is one line without a traceback, and no process is left."""
    home = small_disk / "home"
    environment = BASE_ENVIRONMENT | {"DOCKER_HOST": engine.host, "HOME": str(folder)}

    def run() -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [console_script("imagedrift"), "up", "--home", home],
            env=environment, capture_output=True, text=True, check=False, timeout=WITHIN_S,
        )  # fmt: skip

    ended = await asyncio.to_thread(run)

    assert ended.returncode == 69, ended.stderr
    assert word in ended.stderr
    assert "Traceback" not in ended.stderr
    assert processes_that_name(str(home)) == []


def start(folder: Path, **environment: str) -> subprocess.Popen[bytes]:
    """Start the command in a session of its own, as on a terminal."""
    with (folder / "told").open("wb") as told:
        return subprocess.Popen(
            [console_script("imagedrift"), "up", "--home", folder / "home"],
            env=BASE_ENVIRONMENT | environment | {"HOME": str(folder)},
            stdout=told,
            stderr=told,
            start_new_session=True,
        )


def child_of(pid: int, program: str) -> int:
    """Find the process of that program that another one has started."""
    children = [each.read_text().split() for each in Path(f"/proc/{pid}/task").glob("*/children")]
    for child in itertools.chain(*children):
        words = Path(f"/proc/{child}/cmdline").read_bytes().split(b"\0")
        if any(Path(word.decode()).name == program for word in words):
            return int(child)
    raise AssertionError(f"{program} does not run")


def addresses_in(told: str) -> list[str]:
    """Return the lines with the address of the pages and that of the database."""
    return [line for line in told.splitlines() if line.startswith(("pages: ", "DATABASE_URL="))]


def output(folder: Path) -> str:
    """Return the output of the command so far."""
    return (folder / "told").read_text()


def assert_nothing_is_left(folder: Path) -> None:
    """Assert that no process names the folder, and that no unwanted line was printed."""
    text = output(folder)
    assert [word for word in UNWANTED if word in text] == [], text
    assert processes_that_name(f"{folder}/home") == []


def processes_that_name(folder: str) -> list[str]:
    """Return the command lines of all processes with a path in their arguments or environment."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            line = (process / "cmdline").read_bytes()
            if folder.encode() in line + (process / "environ").read_bytes():
                found.append(line.replace(b"\0", b" ").decode(errors="replace"))
        except OSError:  # it ended, or is another user's
            continue
    return found
