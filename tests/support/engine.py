"""A real Docker Engine and a real registry of the test's own: `docker_engine`, `docker_registry`.

Nothing here touches an engine that the machine may run already: data, sockets and ports are our
own, and only processes that we started are ended.
"""

import shutil
import signal
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from imagedrift_sandbox.child_process import ChildProcess
from imagedrift_sandbox.free_port import LOOPBACK, free_port
from imagedrift_sandbox.http_probe import http_status
from support.own_engine import START_WITHIN_S, OwnEngine
from support.programs import require_program


class DockerEngine(OwnEngine):
    """A dockerd of our own."""

    program = "dockerd"
    package = "docker.io"

    def launch(self) -> ChildProcess:
        """Start dockerd without a network of its own."""
        flags = {
            "--host": self.host,
            "--data-root": str(self.home / "data"),
            "--exec-root": str(self.home / "exec"),
            "--pidfile": str(self.home / "docker.pid"),
            "--storage-driver": "vfs",
            "--bridge": "none",
            "--iptables": "false",
        }
        arguments = [str(self.found()), *(f"{flag}={value}" for flag, value in flags.items())]
        # Should the tests be killed, it still ends its containers and its containerd.
        return ChildProcess.spawn(
            arguments, log=self.home / "dockerd.log", death_signal=signal.SIGTERM
        )


class DockerRegistry:
    """Debian's docker-registry on a free port of 127.0.0.1, deletion of tags allowed."""

    def __init__(self, home: Path) -> None:
        self.home = home
        self.port = free_port()
        self.child: ChildProcess | None = None

    @classmethod
    @contextmanager
    def started(cls) -> Iterator["DockerRegistry"]:
        """Run a registry for the length of a `with`; skips where the program is missing."""
        require_program("docker-registry", "apt-get install docker-registry")
        with tempfile.TemporaryDirectory(prefix="idrift-registry-") as home:
            registry = cls(Path(home))
            registry.start()
            try:
                yield registry
            finally:
                registry.stop()

    @property
    def host(self) -> str:
        """`127.0.0.1:<port>`, as it stands in a reference."""
        return f"{LOOPBACK}:{self.port}"

    @property
    def url(self) -> str:
        """The base URL."""
        return f"http://{self.host}"

    def start(self) -> None:
        """Start the program on the data that is there, on the same port as before."""
        config = self.home / "config.yml"
        config.write_text(
            "version: 0.1\n"
            "log: {accesslog: {disabled: false}}\n"
            f"storage: {{filesystem: {{rootdirectory: {self.home / 'data'}}}, "
            "delete: {enabled: true}}\n"
            f"http: {{addr: '{self.host}'}}\n"
        )
        program = require_program("docker-registry", "apt-get install docker-registry")
        self.child = ChildProcess.spawn([program, "serve", config], log=self.home / "registry.log")
        self.child.wait_until(lambda: http_status(f"{self.url}/v2/") == 200, bound_s=START_WITHIN_S)

    def stop(self) -> None:
        """Stop the program; the data stays."""
        if self.child:
            self.child.stop()

    def requests(self, method: str, about: str = "") -> int:
        """Count the requests of a method whose path has `about` in it, from the access log."""
        log = (self.home / "registry.log").read_text(errors="replace")
        return sum(f'"{method} /v2/' in line and about in line for line in log.splitlines())

    def delete_tag(self, repository: str, tag: str) -> None:
        """Remove a tag (this registry removes the manifest, and with it all its tags)."""
        shutil.rmtree(
            self.home
            / "data/docker/registry/v2/repositories"
            / repository
            / "_manifests/tags"
            / tag
        )


@pytest.fixture(scope="session")
def docker_engine_session() -> Iterator[DockerEngine]:
    """One Docker Engine for the session; use `docker_engine`, which hands it out empty."""
    with DockerEngine.started() as engine:
        yield engine


@pytest.fixture
def docker_engine(docker_engine_session: DockerEngine) -> Iterator[DockerEngine]:
    """The session's Docker Engine, emptied after the test."""
    yield docker_engine_session
    docker_engine_session.clear()


@pytest.fixture(scope="session")
def docker_registry() -> Iterator[DockerRegistry]:
    """A registry shared by the session: use repositories of your own."""
    with DockerRegistry.started() as registry:
        yield registry


@pytest.fixture
def fresh_docker_registry() -> Iterator[DockerRegistry]:
    """A registry of the test's own: empty, and free to be stopped."""
    with DockerRegistry.started() as registry:
        yield registry
