"""A child process that can be waited for, stopped, paused, and that never outlives us.

Rules:
- Everything here blocks; the awaitable faces of servers and services call it in a thread.
- A child gets its own session, so that Ctrl-C reaches us alone and we stop it in our order.
- On Linux the kernel ends the child when we die, however we die. That signal is tied to the
  *thread* that started the child (prctl(2), PR_SET_PDEATHSIG), and worker threads come and go:
  so one thread that lives as long as the process starts all children.
- Only a process id that we started, and have not yet reaped, is ever signalled.
"""

import atexit
import ctypes
import os
import signal
import subprocess
import sys
import time
import weakref
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import IO

POLL_S = 0.01
KILL_BOUND_S = 10.0


class ProgramError(RuntimeError):
    """A program that we start failed at its work."""


class ProgramDied(ProgramError):
    """The program ended before it was ready."""


class ProgramNotReady(ProgramError):
    """The program runs, but was not ready in time."""


class ProgramMissing(ProgramError):
    """The program, or something it needs from this machine, is not there."""


@dataclass(frozen=True, kw_only=True)
class Account:
    """The user that a child runs as: ourselves, or the unprivileged user given."""

    name: str = "this user"
    uid: int | None = None
    gid: int | None = None

    @property
    def groups(self) -> list[int] | None:
        """No further groups for another user, our own for ourselves."""
        return None if self.uid is None else []


OURSELVES = Account()


class ChildProcess:
    """A started program, its log, and the means to end it."""

    def __init__(self, name: str, process: subprocess.Popen[bytes], log: Path) -> None:
        self.name = name
        self.log = log
        self._process = process
        _running_children.add(self)

    @classmethod
    def spawn(
        cls,
        arguments: Sequence[str | Path],
        *,
        log: Path,
        environment: Mapping[str, str] | None = None,
        directory: Path | None = None,
        account: Account = OURSELVES,
        death_signal: signal.Signals = signal.SIGKILL,
    ) -> "ChildProcess":
        """Start a program with its output appended to `log`; an environment given is complete."""
        name = Path(arguments[0]).name
        with log.open("ab") as output:
            start = partial(
                _start, arguments, output, environment, directory, account, death_signal
            )
            try:
                process = _starter.submit(start).result()
            except OSError as error:
                raise ProgramMissing(f"{name} cannot be started: {error}") from error
        return cls(name, process, log)

    @property
    def pid(self) -> int:
        """The process id, also after the end."""
        return self._process.pid

    @property
    def exit_code(self) -> int | None:
        """The exit code; negative for a signal, None while it runs."""
        return self._process.poll()

    def wait_until(self, ready: Callable[[], bool], *, bound_s: float) -> None:
        """Return when `ready()` holds; raise when the child ends or the bound passes first."""
        deadline = time.monotonic() + bound_s
        while not ready():
            if (code := self.exit_code) is not None:
                raise ProgramDied(f"{self.name} ended with {code}:\n{self.log_tail()}")
            if time.monotonic() > deadline:
                raise ProgramNotReady(f"{self.name} not ready in {bound_s} s:\n{self.log_tail()}")
            time.sleep(POLL_S)

    def wait(self, *, bound_s: float) -> int:
        """Wait for the child to end by itself, and return its exit code."""
        try:
            return self._process.wait(bound_s)
        except subprocess.TimeoutExpired:
            raise ProgramNotReady(f"{self.name} still runs after {bound_s} s") from None

    def stop(self, how: signal.Signals = signal.SIGTERM, *, bound_s: float = 10.0) -> int:
        """Ask the child to end; kill it only when the bound has passed."""
        self.signal(signal.SIGCONT)
        self.signal(how)
        try:
            return self._process.wait(bound_s)
        except subprocess.TimeoutExpired:
            return self.kill()

    def kill(self) -> int:
        """End the child at once, as a crash would."""
        self.signal(signal.SIGKILL)
        return self._process.wait(KILL_BOUND_S)

    def pause(self) -> None:
        """Stop the child's clock: it keeps its connections and answers nothing."""
        self.signal(signal.SIGSTOP)

    def resume(self) -> None:
        """Let a paused child go on."""
        self.signal(signal.SIGCONT)

    def signal(self, which: signal.Signals) -> None:
        """Send a signal, unless the child has ended."""
        self._process.send_signal(which)

    def log_tail(self, lines: int = 15) -> str:
        """The last lines that the child wrote."""
        text = self.log.read_bytes()[-8192:].decode(errors="replace")
        return "\n".join(text.splitlines()[-lines:])


def _start(
    arguments: Sequence[str | Path],
    output: IO[bytes],
    environment: Mapping[str, str] | None,
    directory: Path | None,
    account: Account,
    death_signal: signal.Signals,
) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        arguments,
        stdin=subprocess.DEVNULL,
        stdout=output,
        stderr=subprocess.STDOUT,
        env=environment,
        cwd=directory,
        start_new_session=True,
        preexec_fn=_die_with_parent(death_signal),
        user=account.uid,
        group=account.gid,
        extra_groups=account.groups,
    )


def _die_with_parent(how: signal.Signals) -> Callable[[], None] | None:
    if sys.platform != "linux":
        return None
    prctl, pr_set_pdeathsig = ctypes.CDLL(None).prctl, 1
    parent = os.getpid()

    def ask_the_kernel() -> None:
        prctl(pr_set_pdeathsig, int(how))
        if os.getppid() != parent:  # it died before the call took effect
            os.kill(os.getpid(), how)

    return ask_the_kernel


_starter = ThreadPoolExecutor(max_workers=1, thread_name_prefix="starter")
_running_children: weakref.WeakSet[ChildProcess] = weakref.WeakSet()


@atexit.register
def _end_the_rest() -> None:
    for child in list(_running_children):
        if child.exit_code is None:
            child.kill()
