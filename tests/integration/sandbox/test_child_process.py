"""A child is started, watched and ended; it never outlives who started it."""

import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from imagedrift_sandbox.child_process import (
    ChildProcess,
    ProgramDied,
    ProgramError,
    ProgramMissing,
    ProgramNotReady,
)
from support.polling import until

BOUND_S = 10.0
SLEEP = ["/bin/sleep", "1000"]
DEAF = """
import signal, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
print("deaf", flush=True)
time.sleep(1000)
"""
PARENT = """
import pathlib, sys, time
from imagedrift_sandbox.child_process import ChildProcess
child = ChildProcess.spawn(["/bin/sleep", "1000"], log=pathlib.Path(sys.argv[1]))
print(child.pid, flush=True)
time.sleep(1000)
"""


def runs(pid: int) -> bool:
    """Whether the process exists and is no zombie."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def test_a_child_ends_when_asked(tmp_path: Path) -> None:
    """SIGTERM ends it and its exit code says so; to stop it again does nothing."""
    child = ChildProcess.spawn(SLEEP, log=tmp_path / "log")
    assert runs(child.pid)

    assert child.stop() == -signal.SIGTERM
    assert child.stop() == -signal.SIGTERM
    assert not runs(child.pid)


def test_a_deaf_child_is_killed_when_the_bound_has_passed(tmp_path: Path) -> None:
    """A child that ignores SIGTERM is killed, not waited for for ever."""
    child = ChildProcess.spawn([sys.executable, "-c", DEAF], log=tmp_path / "log")
    child.wait_until(lambda: "deaf" in child.log_tail(), bound_s=BOUND_S)

    assert child.stop(bound_s=0.2) == -signal.SIGKILL


async def test_a_paused_child_can_be_stopped(tmp_path: Path) -> None:
    """A paused child is woken to hear that it should end."""
    child = ChildProcess.spawn(SLEEP, log=tmp_path / "log")
    child.pause()
    state = Path(f"/proc/{child.pid}/stat")
    await until(lambda: state.read_text().rpartition(")")[2].split()[0] == "T", "it is paused")

    assert child.stop(bound_s=BOUND_S) == -signal.SIGTERM


def test_a_child_that_ends_early_is_an_error_with_its_last_words(tmp_path: Path) -> None:
    """Exit code and log are in the message."""
    child = ChildProcess.spawn(
        ["/bin/sh", "-c", "echo no such luck >&2; exit 3"], log=tmp_path / "log"
    )

    with pytest.raises(ProgramDied, match=r"sh ended with 3:\nno such luck"):
        child.wait_until(lambda: False, bound_s=BOUND_S)


def test_a_child_that_is_not_ready_in_time_is_an_error(tmp_path: Path) -> None:
    """The bound is in the message, and the child can still be stopped."""
    child = ChildProcess.spawn(SLEEP, log=tmp_path / "log")

    with pytest.raises(ProgramNotReady, match=r"sleep not ready in 0.05 s"):
        child.wait_until(lambda: False, bound_s=0.05)
    with pytest.raises(ProgramNotReady, match="still runs"):
        child.wait(bound_s=0.05)
    assert child.kill() == -signal.SIGKILL


def test_a_program_that_is_not_there_is_named(tmp_path: Path) -> None:
    """The error says which program cannot be started."""
    with pytest.raises(ProgramMissing, match="no-such-program"):
        ChildProcess.spawn([tmp_path / "no-such-program"], log=tmp_path / "log")


def test_the_environment_given_is_all_that_a_child_has(tmp_path: Path) -> None:
    """Nothing of ours leaks in."""
    child = ChildProcess.spawn(["/usr/bin/env"], log=tmp_path / "log", environment={"ONLY": "this"})
    child.wait(bound_s=BOUND_S)

    assert child.log.read_text() == "ONLY=this\n"


async def test_a_child_dies_with_its_parent(tmp_path: Path) -> None:
    """However the parent ends, SIGKILL included, the child is gone soon after."""
    pid = child_of_a_killed_parent(tmp_path / "log")

    await until(lambda: not runs(pid), "the child is gone")


def child_of_a_killed_parent(log: Path) -> int:
    """Let a process start a child, kill the process, and return the child's id."""
    parent = subprocess.Popen(
        [sys.executable, "-c", PARENT, log], stdout=subprocess.PIPE, text=True
    )
    assert parent.stdout is not None
    pid = int(parent.stdout.readline())
    assert runs(pid)
    parent.kill()
    parent.wait()
    parent.stdout.close()
    return pid


def test_a_child_outlives_the_thread_that_asked_for_it(tmp_path: Path) -> None:
    """The kernel ties a child to the thread that started it: not to a worker that ends."""
    started: list[ChildProcess] = []
    thread = threading.Thread(
        target=lambda: started.append(ChildProcess.spawn(SLEEP, log=tmp_path / "log"))
    )
    thread.start()
    thread.join()

    with pytest.raises(ProgramError):
        started[0].wait(bound_s=0.3)
    assert runs(started[0].pid)
    started[0].kill()


def test_ctrl_c_does_not_reach_a_child(tmp_path: Path) -> None:
    """A child has a session of its own, so a terminal's signals go to us alone."""
    child = ChildProcess.spawn(SLEEP, log=tmp_path / "log")

    assert os.getsid(child.pid) == child.pid != os.getsid(0)
    child.kill()
