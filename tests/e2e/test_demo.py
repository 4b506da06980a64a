"""`imagedrift demo` as a user runs it: it holds what it shows, and leaves nothing behind."""

import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from imagedrift_sandbox.processes import BASE_ENVIRONMENT, console_script

WITHIN_S = 60.0
Starter = Callable[..., subprocess.Popen[str]]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Where the demonstration writes, for its own user to reach."""
    for each in (tmp_path, *tmp_path.parents[:2]):
        each.chmod(0o755)
    return tmp_path


@pytest.fixture
def demo(folder: Path) -> Iterator[Starter]:
    """Starts the command; what still runs at the end is killed."""
    started = []

    def start(*arguments: str) -> subprocess.Popen[str]:
        process = subprocess.Popen(
            [console_script("imagedrift"), "demo", *arguments],
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
        process.communicate()


def test_the_demonstration_holds_what_it_shows(demo: Starter, folder: Path) -> None:
    """It counts hosts, images, references and requests, shows a tag flip its hosts, and exits 0."""
    process = demo("--hosts", "12")

    output, _ = process.communicate(timeout=WITHIN_S)

    assert process.returncode == 0, output
    assert "Every check of the demonstration held." in output
    for told in ("hosts that reported", "distinct references", "HEAD requests", "ops.outdated"):
        assert told in output
    assert list(folder.iterdir()) == []


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM])
def test_a_demonstration_that_is_told_to_end_leaves_nothing(
    demo: Starter, folder: Path, how: signal.Signals
) -> None:
    """Told to end in the middle it stops what it started and removes what it wrote."""
    process = demo("--hosts", "12")
    children = wait_for_children(process.pid, 3)

    process.send_signal(how)
    output, _ = process.communicate(timeout=WITHIN_S)

    assert process.returncode == 1
    assert "Traceback" not in output
    assert [pid for pid in children if Path(f"/proc/{pid}").exists()] == []
    assert list(folder.iterdir()) == []


def wait_for_children(pid: int, count: int) -> list[str]:
    """Wait until a process has so many children, and return their ids."""
    deadline = time.monotonic() + WITHIN_S
    while len(children := children_of(pid)) < count:
        assert time.monotonic() < deadline, f"only {len(children)} children"
        time.sleep(0.02)
    return children


def children_of(pid: int) -> list[str]:
    """The children of all threads of a process."""
    found = []
    for thread in Path(f"/proc/{pid}/task").iterdir():
        found += (thread / "children").read_text().split()
    return found
