"""An empty machine beside this one: files and network of its own, as an agent's host has them.

It shares the programs of this machine, and is reached over a cable of its own. Only root can make
one, and not in every container.
"""

import contextlib
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Final

import pytest

from imagedrift_sandbox.child_process import ChildProcess

OURS: Final = "198.51.100.10"
ITS: Final = "198.51.100.11"
"""Of a net for examples, as the page's own; on this machine that one may be in use."""
PROGRAMS: Final = ("unshare", "nsenter", "ip", "mount")
EMPTIED: Final = ("/opt", "/root", "/run", "/var/lib")
"""Folders that are empty there, but for one that holds the Python of this machine."""
SETUP: Final = """
cp -a /etc "$1/etc" && mount --bind "$1/etc" /etc
echo "$3" >> /etc/hosts
for folder in $4; do mount -t tmpfs -o mode=755 tmpfs "$folder"; done
touch /run/docker.sock && mount --bind "$2" /run/docker.sock
ip link set lo up
echo ready
exec sleep infinity
"""


class EmptyMachine:
    """A machine with nothing installed, and the socket of an engine."""

    def __init__(self, home: Path, pid: int) -> None:
        self.home = home
        self._enter = ["nsenter", f"--target={pid}", "--mount", "--net", f"--wdns={home}"]

    @classmethod
    @contextlib.contextmanager
    def started(cls, home: Path, engine: Path, names: Sequence[str]) -> Iterator["EmptyMachine"]:
        """Start one that knows this machine by these names, for the length of a `with`."""
        if os.geteuid() != 0 or not all(map(shutil.which, PROGRAMS)):
            pytest.skip("only root makes a machine: needs util-linux and iproute2")
        home.mkdir()
        line = f"{OURS} {' '.join(names)}"
        emptied = " ".join(each for each in EMPTIED if not sys.base_prefix.startswith(each))
        holder = subprocess.Popen(
            ["unshare", "--mount", "--net", "sh", "-euc", SETUP, "sh", home, engine, line, emptied],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        try:
            machine = cls(home, holder.pid)
            machine._connect(holder)
            yield machine
        finally:
            holder.kill()
            holder.communicate()

    def run(self, script: str, **environment: str) -> str:
        """Run a script there, and return what it prints. It must end with 0."""
        done = subprocess.run(
            [*self._enter, "sh", "-euc", script],
            env=_environment(environment),
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, f"{script}\n{done.stdout}{done.stderr}"
        return done.stdout

    def start(self, script: str) -> ChildProcess:
        """Start a program there that runs on."""
        command = [*self._enter, "sh", "-euc", script]
        return ChildProcess.spawn(command, log=self.home / "log", environment=_environment({}))

    def _connect(self, holder: subprocess.Popen[str]) -> None:
        """Lay the cable; a container that forbids it skips the test."""
        if not holder.stdout or holder.stdout.readline() != "ready\n":
            pytest.skip(f"no machine can be made here: {holder.communicate()[1]}")
        cable = f"idrift{holder.pid}"[-15:]
        ours = (
            f"ip link add {cable} type veth peer name eth0 netns {holder.pid}",
            f"ip address add {OURS}/24 dev {cable}",
            f"ip link set {cable} up",
        )
        for command in ours:
            done = subprocess.run(command.split(), capture_output=True, text=True, check=False)
            if done.returncode:
                pytest.skip(f"no cable can be laid here: {command}: {done.stderr}")
        self.run(f"ip address add {ITS}/24 dev eth0 && ip link set eth0 up")


def _environment(more: Mapping[str, str]) -> dict[str, str]:
    return {"PATH": os.getenv("PATH", os.defpath), "HOME": "/tmp", **more}
