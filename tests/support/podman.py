"""A real Podman behind its Docker-compatible socket: `podman_engine`."""

import json
import os
import resource
from collections.abc import Iterator
from typing import Any

import pytest

from imagedrift_sandbox.child_process import ChildProcess
from support.own_engine import OwnEngine


class PodmanEngine(OwnEngine):
    """A `podman system service` of our own, as root, with images and containers of its own."""

    program = "podman"
    package = "podman"
    push_options = "&tlsVerify=false"

    def launch(self) -> ChildProcess:
        """Start the service with a configuration of its own."""
        arguments = [
            *(self.found(), "--root", self.home / "root"),
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
        return ChildProcess.spawn([str(a) for a in arguments], log=log, environment=environment)

    def stop_containers(self) -> None:
        """End and remove everything: mounts of what only stopped would stay."""
        self.clear()

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
