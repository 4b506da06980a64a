"""A real Podman behind its Docker-compatible socket: `podman_engine`."""

import json
import os
import resource
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from imagedrift_sandbox.children import Child, ProgramError
from support.engine import START_WITHIN_S
from support.engine_api import Engine
from support.programs import missing, require_program

INSTALL = "apt-get install podman"


class PodmanEngine(Engine):
    """A `podman system service` of our own, as root, with images and containers of its own."""

    push_options = "&tlsVerify=false"

    def __init__(self, home: Path) -> None:
        super().__init__(home / "podman.sock")
        self.home = home
        self.child: Child | None = None

    @classmethod
    @contextmanager
    def started(cls) -> Iterator["PodmanEngine"]:
        """Run Podman for the length of a `with`; skips where it is missing."""
        require_program("podman", INSTALL)
        if os.geteuid() != 0:
            missing("root for a Podman of its own", "run the tests as root")
        home = Path(tempfile.mkdtemp(prefix="idrift-"))  # short: a socket's path has 107 bytes
        engine = cls(home)
        try:
            engine.start()
            yield engine
        finally:
            engine.stop_service()
            shutil.rmtree(home, ignore_errors=True)

    def start(self) -> None:
        """Start the service on the data that is there."""
        arguments = [
            *(require_program("podman", INSTALL), "--root", self.home / "root"),
            *("--runroot", self.home / "run", "--storage-driver", "vfs"),
            *("--cgroup-manager", "cgroupfs", "system", "service", "--time", "0", self.host),
        ]
        environment = {
            "PATH": f"{os.getenv('PATH', os.defpath)}:/usr/sbin:/sbin",
            "HOME": str(self.home),
            "CONTAINERS_CONF": self._write("containers.conf", _containers_conf()),
            "CONTAINERS_REGISTRIES_CONF": self._write("registries.conf", _INSECURE),
        }
        log = self.home / "podman.log"
        self.child = Child.spawn([str(a) for a in arguments], log=log, environment=environment)
        try:
            self.child.wait_until(self.answers, bound_s=START_WITHIN_S)
        except ProgramError as error:
            missing("a Podman that starts", str(error))

    def stop_service(self) -> None:
        """Stop the service and its containers; the data stays."""
        if self.child:
            if self.answers():
                self.clear()
            self.child.stop()

    def _write(self, name: str, text: str) -> str:
        path = self.home / name
        path.write_text(text)
        return str(path)

    def call(self, method: str, path: str, body: Any = None, headers: Any = None) -> Any:
        """Make one API call; only versioned paths are Docker's in Podman."""
        return super().call(method, f"/v1.41{path}", body, headers)


@pytest.fixture(scope="session")
def podman_engine_session() -> Iterator[PodmanEngine]:
    """One Podman for the session; use `podman_engine`, which hands it out empty."""
    with PodmanEngine.started() as engine:
        yield engine


@pytest.fixture
def podman_engine(podman_engine_session: PodmanEngine) -> Iterator[PodmanEngine]:
    """The session's Podman, emptied after the test."""
    yield podman_engine_session
    podman_engine_session.clear()


_INSECURE = '[[registry]]\nlocation = "127.0.0.1"\ninsecure = true\n'


def _containers_conf() -> str:
    """Ask for no more than we may have: Podman's own limits need a privilege that CI may lack."""
    limits = [
        f"{name}={limit}:{limit}"
        for name, which in (("nofile", resource.RLIMIT_NOFILE), ("nproc", resource.RLIMIT_NPROC))
        if (limit := _at_most(resource.getrlimit(which)[1], 4096))
    ]
    return (
        f"[containers]\ndefault_ulimits = {json.dumps(limits)}\n[engine]\nevents_logger = 'file'\n"
    )


def _at_most(hard: int, wanted: int) -> int:
    return wanted if hard == resource.RLIM_INFINITY else min(hard, wanted)
