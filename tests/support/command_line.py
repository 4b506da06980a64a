"""The `imagedrift` command as it is typed: on a terminal of some width, or in a pipe."""

import fcntl
import os
import pty
import signal
import struct
import subprocess
import termios
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import click

from imagedrift_sandbox.processes import console_script

WITHIN_S = 60.0


@click.command()
def broken() -> None:
    """Fail as only a defect does."""
    raise ZeroDivisionError


class Ended(NamedTuple):
    """The output of a command, and its exit code."""

    code: int
    out: str
    err: str

    @property
    def lines(self) -> list[str]:
        """The lines of its answer."""
        return self.out.splitlines()


def piped(dsn: str, *arguments: str, **environment: str) -> Ended:
    """Run the command in a pipe."""
    done = subprocess.run(
        [console_script("imagedrift"), *arguments],
        env={"DATABASE_URL": dsn, "PATH": os.defpath, "LC_ALL": "C.UTF-8", **environment},
        capture_output=True,
        encoding="utf-8",
        check=False,
        timeout=WITHIN_S,
    )
    assert "Traceback" not in done.stderr
    return Ended(done.returncode, done.stdout, done.stderr)


def on_terminal(
    dsn: str,
    *arguments: str,
    columns: int = 80,
    until: str = "",
    **environment: str,
) -> Ended:
    """Run the command on a terminal; standard error is apart, so that both can be read.

    With `until` the command is told to end by Ctrl-C once it has printed that text for the third
    time.
    """
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
    process = subprocess.Popen(
        [console_script("imagedrift"), *arguments],
        env={
            "DATABASE_URL": dsn, "PATH": os.defpath, "LC_ALL": "C.UTF-8", "NO_COLOR": "1",
            "TERM": "xterm", **environment,
        },
        stdin=subprocess.DEVNULL,
        stdout=theirs,
        stderr=subprocess.PIPE,
    )  # fmt: skip
    os.close(theirs)
    out = _read(ours, until.encode(), lambda: process.send_signal(signal.SIGINT))
    err = process.stderr.read().decode() if process.stderr else ""
    code = process.wait(WITHIN_S)
    assert "Traceback" not in err
    return Ended(code, out.decode(errors="replace").replace("\r\n", "\n"), err)


def _read(terminal: int, text: bytes, interrupt: Callable[[], None]) -> bytes:
    """Read until the command closes the terminal, which is an error of input on Linux."""
    out = b""
    try:
        while part := os.read(terminal, 65536):
            out += part
            if text and out.count(text) >= 3:
                text = b""
                interrupt()
    except OSError:
        pass
    finally:
        os.close(terminal)
    return out


def repository() -> Path:
    """The folder of the repository."""
    return Path(__file__).resolve().parents[2]
