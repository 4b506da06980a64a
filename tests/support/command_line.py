"""The `imagedrift` command as it is typed: on a terminal of some width, or in a pipe."""

import fcntl
import os
import pty
import re
import signal
import struct
import subprocess
import termios
import threading
from collections.abc import Callable, Mapping, Sequence
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
        env=_environment({"DATABASE_URL": dsn} | environment),
        capture_output=True,
        encoding="utf-8",
        check=False,
        timeout=WITHIN_S,
        stdin=subprocess.DEVNULL,
    )
    assert "Traceback" not in done.stderr
    return Ended(done.returncode, done.stdout, done.stderr)


def error_line(ended: Ended, code: int) -> str:
    """Return the one line that a command printed which ended with this code."""
    assert ended.code == code, ended.err
    assert ended.out == ""
    [line] = ended.err.splitlines()
    return line


def in_shell(command: str, dsn: str) -> "subprocess.CompletedProcess[str]":
    """Run a line of a shell in which the command is known."""
    folder = Path(console_script("imagedrift")).parent
    environment = {"DATABASE_URL": dsn, "PATH": f"{folder}:{os.defpath}"}
    return subprocess.run(
        ["sh", "-c", command], env=environment, capture_output=True, text=True, check=False
    )


def on_terminal(dsn: str, *arguments: str, columns: int = 80, **environment: str) -> Ended:
    """Run the command on a terminal; standard error is apart, so that both can be read."""
    return watched(arguments, {"DATABASE_URL": dsn} | environment, columns=columns)


def watched(
    arguments: Sequence[str],
    environment: Mapping[str, str],
    *,
    columns: int | None = 80,
    enough: Callable[[str], bool] | None = None,
    within_s: float = WITHIN_S,
) -> Ended:
    """Run the command on a terminal, or without `columns` in a pipe, and read it as it prints.

    With `enough` it is told to end by Ctrl-C once it has printed enough.
    """
    ours, theirs = pty.openpty() if columns else os.pipe()
    if columns:
        fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
    process = subprocess.Popen(
        [console_script("imagedrift"), *arguments],
        env=_environment({"NO_COLOR": "1", "TERM": "xterm"} | dict(environment)),
        stdin=subprocess.DEVNULL,
        stdout=theirs,
        stderr=subprocess.PIPE,
    )
    os.close(theirs)
    too_late = threading.Timer(within_s, process.kill)
    too_late.start()
    try:
        out = _read(ours, enough, lambda: process.send_signal(signal.SIGINT))
        err = process.stderr.read().decode() if process.stderr else ""
        code = process.wait()
    finally:
        too_late.cancel()
    assert "Traceback" not in err
    return Ended(code, out.decode(errors="replace").replace("\r\n", "\n"), err)


def screen(text: str) -> str:
    """Return what a terminal shows in the end of a text that moves up and erases lines."""
    lines, row, column = [""], 0, 0
    for token in CONTROLS.split(text):
        if token == "\n":
            row, column = row + 1, 0
            lines += [""] * (row + 1 - len(lines))
        elif token == "\r":
            column = 0
        elif token.endswith("A") and token.startswith("\x1b["):
            row = max(row - int(token[2:-1] or 1), 0)
        elif token == "\x1b[2K":
            lines[row] = ""
        elif not token.startswith("\x1b"):
            before = lines[row].ljust(column)
            lines[row] = before[:column] + token + before[column + len(token) :]
            column += len(token)
    return "\n".join(line.rstrip() for line in lines)


CONTROLS = re.compile(r"(\n|\r|\x1b\[[0-9;?]*[A-Za-z])")


def _environment(more: Mapping[str, str]) -> dict[str, str]:
    return {"PATH": os.defpath, "LC_ALL": "C.UTF-8", **more}


def _read(end: int, enough: Callable[[str], bool] | None, interrupt: Callable[[], None]) -> bytes:
    """Read until the command closes its end, which is an error of input on a terminal of Linux."""
    out = b""
    try:
        while part := os.read(end, 65536):
            out += part
            if enough and enough(out.decode(errors="replace")):
                enough = None
                interrupt()
    except OSError:
        pass
    finally:
        os.close(end)
    return out


def repository() -> Path:
    """The folder of the repository."""
    return Path(__file__).resolve().parents[2]
