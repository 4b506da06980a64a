"""A real Docker Engine and a real registry of the test's own: `docker_engine`, `docker_registry`.

Nothing here touches an engine that the machine may run already: data, sockets and ports are our
own, and only processes that we started are ended. Images are made of Debian's static busybox,
because nothing can be pulled from outside.
"""

import http.client
import io
import json
import os
import shutil
import socket
import tarfile
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlencode

import pytest

from imagedrift_sandbox.children import Child, ProgramError
from imagedrift_sandbox.ports import LOOPBACK, free_port
from imagedrift_sandbox.probe import http_status
from support.programs import missing, require_program

START_WITHIN_S = 30.0
CALL_WITHIN_S = 60.0
SLEEP = ("/bin/busybox", "sleep", "1000")


class EngineRefused(Exception):
    """The engine answered a call with an error."""


class Engine:
    """An engine behind a unix socket, and the few commands that tests give it."""

    def __init__(self, path: Path) -> None:
        self.path = path

    @property
    def host(self) -> str:
        """What DOCKER_HOST is set to."""
        return f"unix://{self.path}"

    def call(
        self, method: str, path: str, body: Any = None, headers: Mapping[str, str] | None = None
    ) -> Any:
        """Make one API call; the decoded JSON, the last line of a stream, or None."""
        connection = UnixConnection(self.path)
        payload = body if isinstance(body, bytes | None) else json.dumps(body).encode()
        given = {"Content-Type": "application/json", **(headers or {})}
        try:
            connection.request(method, path, payload, given)
            response = connection.getresponse()
            text = response.read().decode()
        finally:
            connection.close()
        if response.status >= 400:
            raise EngineRefused(f"{method} {path}: {response.status} {text[:500]}")
        return _last_document(method, path, text)

    def build(
        self,
        reference: str,
        content: str = "1",
        labels: Mapping[str, str] | None = None,
        command: Sequence[str] = SLEEP,
    ) -> str:
        """Build an image that differs by `content`; its id."""
        query = urlencode({"t": reference, "labels": json.dumps(dict(labels or {}))})
        self.call("POST", f"/build?{query}", _context(content, command), _TAR)
        return self.image_id(reference)

    def image_id(self, reference: str) -> str:
        """The id of an image."""
        return str(self.call("GET", f"/images/{reference}/json")["Id"])

    def repo_digests(self, reference: str) -> list[str]:
        """The digests of an image, without their repositories."""
        found = self.call("GET", f"/images/{reference}/json")["RepoDigests"] or []
        return sorted(each.partition("@")[2] for each in found)

    def tag(self, source: str, target: str) -> None:
        """Give an image a second name."""
        repository, _, tag = target.rpartition(":")
        self.call("POST", f"/images/{source}/tag?{urlencode({'repo': repository, 'tag': tag})}")

    def push(self, reference: str) -> str:
        """Push an image; the digest that the registry knows it by."""
        repository, _, tag = reference.rpartition(":")
        self.call("POST", f"/images/{repository}/push?tag={tag}", None, _NO_LOGIN)
        found: list[str] = self.call("GET", f"/images/{reference}/json")["RepoDigests"]
        return next(d for d in found if d.startswith(f"{repository}@")).partition("@")[2]

    def pull(self, reference: str) -> None:
        """Pull an image by tag or by digest."""
        self.call("POST", f"/images/create?fromImage={quote(reference, safe='')}", None, _NO_LOGIN)

    def remove_image(self, reference: str, *, force: bool = False) -> None:
        """Untag an image, or remove it."""
        self.call("DELETE", f"/images/{reference}?force={str(force).lower()}")

    def run(
        self,
        image: str,
        name: str,
        labels: Mapping[str, str] | None = None,
        command: Sequence[str] | None = None,
    ) -> str:
        """Create and start a container; its id."""
        body: dict[str, Any] = {
            "Image": image,
            "Labels": dict(labels or {}),
            "HostConfig": {"NetworkMode": "none"},
        }
        if command:
            body["Cmd"] = list(command)
        made = self.call("POST", f"/containers/create?name={name}", body)
        self.call("POST", f"/containers/{name}/start")
        return str(made["Id"])

    def stop(self, name: str) -> None:
        """Stop a container at once; it stays."""
        self.call("POST", f"/containers/{name}/kill")
        self.call("POST", f"/containers/{name}/wait")

    def remove(self, name: str) -> None:
        """Remove a container, running or not."""
        self.call("DELETE", f"/containers/{name}?force=true&v=true")

    def prune(self) -> None:
        """Remove every image that no container uses and no tag names."""
        self.call("POST", f"/images/prune?filters={quote(json.dumps({'dangling': ['true']}))}")

    def clear(self) -> None:
        """Remove every container and every image."""
        for container in self.call("GET", "/containers/json?all=1"):
            self.remove(container["Id"])
        for image in self.call("GET", "/images/json"):
            with _gone_already():
                self.remove_image(image["Id"], force=True)


class DockerEngine(Engine):
    """A dockerd of our own."""

    def __init__(self, home: Path) -> None:
        super().__init__(home / "docker.sock")
        self.home = home
        self.child: Child | None = None

    @classmethod
    @contextmanager
    def started(cls) -> Iterator["DockerEngine"]:
        """Run an engine for the length of a `with`; skips where dockerd is missing."""
        require_program("dockerd", "apt-get install docker.io")
        if os.geteuid() != 0:
            missing("root for a Docker Engine of its own", "run the tests as root")
        home = Path(tempfile.mkdtemp(prefix="idrift-"))  # short: a socket's path has 107 bytes
        engine = cls(home)
        try:
            engine.start()
            yield engine
        finally:
            engine.stop_daemon()
            shutil.rmtree(home, ignore_errors=True)

    def start(self) -> None:
        """Start the daemon on the data that is there."""
        program = require_program("dockerd", "apt-get install docker.io")
        flags = {
            "--host": self.host,
            "--data-root": str(self.home / "data"),
            "--exec-root": str(self.home / "exec"),
            "--pidfile": str(self.home / "docker.pid"),
            "--storage-driver": "vfs",
            "--bridge": "none",
            "--iptables": "false",
        }
        arguments = [str(program), *(f"{flag}={value}" for flag, value in flags.items())]
        self.child = Child.spawn(arguments, log=self.home / "dockerd.log")
        try:
            self.child.wait_until(self.answers, bound_s=START_WITHIN_S)
        except ProgramError as error:
            missing("a Docker Engine that starts", str(error))

    def stop_daemon(self) -> None:
        """Stop the daemon with its containers; the data stays."""
        if self.child:
            if self.answers():
                for container in self.call("GET", "/containers/json"):
                    self.remove(container["Id"])
            self.child.stop(bound_s=20)

    def answers(self) -> bool:
        """Tell whether the engine answers."""
        try:
            self.call("GET", "/version")
        except (OSError, http.client.HTTPException, EngineRefused):
            return False
        return True


class DockerRegistry:
    """Debian's docker-registry on a free port of 127.0.0.1, deletion of tags allowed."""

    def __init__(self, home: Path) -> None:
        self.home = home
        self.port = free_port()
        self.child: Child | None = None

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
        self.child = Child.spawn([program, "serve", config], log=self.home / "registry.log")
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


class UnixConnection(http.client.HTTPConnection):
    """HTTP over a unix socket."""

    def __init__(self, path: Path) -> None:
        super().__init__("engine", timeout=CALL_WITHIN_S)
        self._path = path

    def connect(self) -> None:
        """Connect to the socket in place of a host."""
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(CALL_WITHIN_S)
        self.sock.connect(str(self._path))


_TAR = {"Content-Type": "application/x-tar"}
_NO_LOGIN = {"X-Registry-Auth": "e30="}  # {} in base64


def _context(content: str, command: Sequence[str]) -> bytes:
    """Make a build context: a static busybox, and a file that makes the image differ."""
    busybox = require_program("busybox", "apt-get install busybox-static")
    dockerfile = (
        "FROM scratch\nCOPY busybox /bin/busybox\nCOPY content /content\n"
        f"CMD {json.dumps(list(command))}\n"
    )
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        tar.add(busybox, "busybox")
        for name, text in (("content", content), ("Dockerfile", dockerfile)):
            info = tarfile.TarInfo(name)
            info.size = len(text.encode())
            tar.addfile(info, io.BytesIO(text.encode()))
    return buffer.getvalue()


def _last_document(method: str, path: str, text: str) -> Any:
    lines = [line for line in text.splitlines() if line.strip()]
    if not lines:
        return None
    document = json.loads(lines[-1])
    if isinstance(document, dict) and "errorDetail" in document:  # streams fail inside a 200
        raise EngineRefused(f"{method} {path}: {document['errorDetail']}")
    return document


@contextmanager
def _gone_already() -> Iterator[None]:
    """Pass over an image that went with another one."""
    try:
        yield
    except EngineRefused as error:
        if ": 404 " not in str(error):
            raise
