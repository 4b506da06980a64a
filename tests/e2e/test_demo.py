"""`imagedrift demo` as a user runs it: its checks hold, and it leaves nothing behind."""

import signal
import subprocess
import tempfile
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import asyncpg
import pytest

from imagedrift_sandbox.processes import BASE_ENVIRONMENT, console_script
from support.polling import until

WITHIN_S = 60.0
Starter = Callable[..., subprocess.Popen[str]]


@pytest.fixture
def folder() -> Iterator[Path]:
    """A folder for the demonstration, outside of pytest's: PostgreSQL's user has to reach it."""
    with tempfile.TemporaryDirectory(prefix="idrift-") as home:
        Path(home).chmod(0o755)
        yield Path(home)


@pytest.fixture
def demo(folder: Path) -> Iterator[Starter]:
    """Start the command, and kill it at the end if it still runs."""
    started = []

    def start(*arguments: str, before: Sequence[str] = ()) -> subprocess.Popen[str]:
        process = subprocess.Popen(
            [*before, console_script("imagedrift"), "demo", *arguments],
            env=BASE_ENVIRONMENT | {"TMPDIR": str(folder)},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        started.append(process)
        return process

    yield start
    for process in started:
        process.kill()
        process.wait()


def test_the_demonstration_holds_what_it_shows(demo: Starter, folder: Path) -> None:
    """The demonstration counts hosts, images and requests, moves a tag, and exits 0."""
    process = demo("--hosts", "12")

    output, _ = process.communicate(timeout=WITHIN_S)

    assert process.returncode == 0, output
    assert "Every check of the demonstration held." in output
    for told in ("hosts that reported", "distinct references", "HEAD requests", "ops.outdated"):
        assert told in output
    assert list(folder.iterdir()) == []


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM])
async def test_a_demonstration_that_is_told_to_end_leaves_nothing(
    demo: Starter, folder: Path, how: signal.Signals
) -> None:
    """A demonstration that gets SIGTERM stops its processes and removes its files."""
    process = demo("--hosts", "12")
    children = await wait_for_children(process, 3)

    process.send_signal(how)
    output, _ = process.communicate(timeout=WITHIN_S)

    assert process.returncode == 130
    assert "Traceback" not in output
    assert [pid for pid in children if Path(f"/proc/{pid}").exists()] == []
    assert list(folder.iterdir()) == []


async def test_a_demonstration_in_the_background_hears_that_it_is_to_end(
    demo: Starter, folder: Path
) -> None:
    """SIGTERM ends a demonstration that a shell started in the background, ignoring Ctrl-C."""
    process = demo("--hosts", "12", before=("sh", "-c", 'trap "" INT; exec "$0" "$@"'))
    children = await wait_for_children(process, 3)

    process.send_signal(signal.SIGTERM)
    output, _ = process.communicate(timeout=WITHIN_S)

    assert process.returncode == 130
    assert "Traceback" not in output
    assert [pid for pid in children if Path(f"/proc/{pid}").exists()] == []
    assert list(folder.iterdir()) == []


async def test_hosts_of_a_demonstration_that_stays_up_go_on_to_report(demo: Starter) -> None:
    """The simulated hosts send heartbeats, so that none turns silent."""
    process = demo("--hosts", "3", "--keep")
    assert process.stdout is not None
    dsn = ""
    while line := process.stdout.readline():
        dsn = dsn or line.partition("DATABASE_URL=")[2].strip()
        if line.startswith("Still running"):
            break

    connection = await asyncpg.connect(dsn)
    before = await connection.fetchval("SELECT now()")
    heard = "SELECT count(*) = 3 FROM ops.hosts WHERE site = 'demo' AND last_seen_at > $1"
    await until(lambda: connection.fetchval(heard, before), "heartbeats", within_s=WITHIN_S)
    await connection.close()

    process.send_signal(signal.SIGINT)
    process.communicate(timeout=WITHIN_S)
    assert process.returncode == 0


async def wait_for_children(process: subprocess.Popen[str], count: int) -> list[str]:
    """Wait until a process has this many children, and return their ids."""

    def enough() -> list[str]:
        assert process.poll() is None, process.communicate()[0]
        children = children_of(process.pid)
        return children if len(children) >= count else []

    children: list[str] = await until(enough, f"{count} children", within_s=WITHIN_S)
    return children


def children_of(pid: int) -> list[str]:
    """Return the children of all threads of a process."""
    found = []
    for thread in Path(f"/proc/{pid}/task").iterdir():
        found += (thread / "children").read_text().split()
    return found
