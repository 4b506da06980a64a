"""The folder of `imagedrift up`: one process at a time works in it, on the ports it had before.

`up.lock` is locked while that process lives, and says which it is; the kernel unlocks it however
the process ends. `up.json` has the ports, so that addresses stay the same between runs.
"""

import fcntl
import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any, Final

import click
import msgspec
from msgspec import Struct

from imagedrift_cli.failures import BadUsage, Unusable
from imagedrift_sandbox.child_process import Account
from imagedrift_sandbox.free_port import LOOPBACK
from imagedrift_sandbox.postgres_programs import can_reach, unprivileged_account

LOCK: Final = "up.lock"
PORTS: Final = "up.json"


class Ports(Struct, frozen=True):
    """Where the servers and the pages listen; 0 for a free one."""

    postgres: int = 0
    nats: int = 0
    pages: int = 0


class HomePath(click.Path):
    """The type of `--home`: a folder, from wherever the command was started."""

    def __init__(self) -> None:
        super().__init__(file_okay=False, path_type=Path)

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Path:
        """Make the path absolute, as servers have folders of their own to start in."""
        if value == "":  # of a variable of a shell that is not set
            self.fail("--home is empty", param, ctx)
        return Path(os.fsdecode(super().convert(value, param, ctx))).absolute()


def default_home(home: str, data_home: str) -> Path:
    """Choose where data is kept. As root PostgreSQL runs as somebody who cannot enter /root."""
    if os.geteuid() == 0:
        return Path("/var/lib/imagedrift/up")
    return Path(data_home or Path(home) / ".local/share") / "imagedrift"


def prepare(home: Path) -> None:
    """Make the folder, and make sure that all can be kept in it. Raises `Unusable`."""
    try:
        home.mkdir(parents=True, exist_ok=True)
        with (home / LOCK).open("a"):
            pass
    except OSError as error:
        raise Unusable(
            f"--home: {home} cannot be made or written: {error.strerror}: choose another folder"
        ) from error
    account: Account = unprivileged_account()
    if not can_reach(home, account):
        raise Unusable(
            f"--home: {home} cannot be entered by {account.name}, as whom PostgreSQL runs for root:"
            " choose a folder below one that everybody may enter"
        )


@contextmanager
def locked(home: Path) -> Iterator[None]:
    """Keep every other `up` out of the folder. Raises `Unusable`, naming the one that runs."""
    with (home / LOCK).open("r+") as file:
        if not _lock(file):
            raise Unusable(
                f"already running in {home}: {_running_servers(home)}; `imagedrift down` stops it"
            )
        file.truncate(0)
        file.write(f"{os.getpid()}\n")
        file.flush()
        yield


def running(home: Path) -> int | None:
    """Return the process that works in the folder, if any."""
    try:
        with (home / LOCK).open("r+") as file:
            return None if _lock(file) else int(file.read().split()[0])
    except (FileNotFoundError, IndexError, ValueError):
        return None
    except OSError as error:
        raise Unusable(f"--home: {home} cannot be read: {error.strerror}") from error


def ports(home: Path, wanted: Ports) -> Ports:
    """Choose ports: those asked for, else those of before, else free ones. Raises `Unusable`."""
    chosen = {"--port": wanted.postgres, "--nats-port": wanted.nats, "--page-port": wanted.pages}
    given: dict[int, str] = {}
    for option, port in chosen.items():
        if port in given:
            raise BadUsage(f"imagedrift up: {given[port]} and {option} cannot both be {port}")
        if port and not _is_free(port):
            raise Unusable(f"{option}: {port} of {LOOPBACK} is taken: choose another one")
        given |= {port: option} if port else {}
    before = _remembered(home)

    def again(port: int) -> int:
        return port if port not in given and _is_free(port) else 0

    return Ports(
        wanted.postgres or again(before.postgres),
        wanted.nats or again(before.nats),
        wanted.pages or again(before.pages),
    )


def remember(home: Path, chosen: Ports) -> None:
    """Note the ports for the next run."""
    (home / PORTS).write_bytes(msgspec.json.encode(chosen))


def _running_servers(home: Path) -> str:
    pid = (home / LOCK).read_text().strip()
    address = _remembered(home)
    if not address.postgres:
        return f"pid {pid}, which starts for the first time"
    return f"pid {pid}, PostgreSQL {LOOPBACK}:{address.postgres}, NATS {LOOPBACK}:{address.nats}"


def _remembered(home: Path) -> Ports:
    try:
        return msgspec.json.decode((home / PORTS).read_bytes(), type=Ports)
    except (OSError, msgspec.MsgspecError):
        return Ports()


def _lock(file: IO[str]) -> bool:
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((LOOPBACK, port))
        except OSError:
            return False
    return True
