"""The few commands that tests give to a container engine, over its Docker-compatible API.

Images are made of Debian's static busybox, because nothing can be pulled from outside.
"""

import http.client
import io
import json
import socket
import tarfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlencode

from support.programs import require_program

CALL_WITHIN_S = 60.0
SLEEP = ("/bin/busybox", "sleep", "1000")


class EngineRefused(Exception):
    """The engine answered a call with an error."""


class Engine:
    """An engine behind a unix socket, and the few commands that tests give it."""

    push_options = ""

    def __init__(self, path: Path) -> None:
        self.path = path

    @property
    def host(self) -> str:
        """The value of DOCKER_HOST."""
        return f"unix://{self.path}"

    def call(
        self, method: str, path: str, body: Any = None, headers: Mapping[str, str] | None = None
    ) -> Any:
        """Make one API call and return the decoded JSON, the last line of a stream, or None."""
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
        """Build an image that differs by `content` and return its id."""
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
        """Push an image and return the digest that the registry knows it by."""
        repository, _, tag = reference.rpartition(":")
        self.call(
            "POST", f"/images/{repository}/push?tag={tag}{self.push_options}", None, _NO_LOGIN
        )
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
        """Create and start a container, and return its id."""
        made = self.create(image, name, labels, command)
        self.call("POST", f"/containers/{name}/start")
        return made

    def create(
        self,
        image: str,
        name: str,
        labels: Mapping[str, str] | None = None,
        command: Sequence[str] | None = None,
    ) -> str:
        """Create a container without starting it, and return its id."""
        body: dict[str, Any] = {
            "Image": image,
            "Labels": dict(labels or {}),
            "HostConfig": {"NetworkMode": "none"},
        }
        if command:
            body["Cmd"] = list(command)
        return str(self.call("POST", f"/containers/create?name={name}", body)["Id"])

    def stop(self, name: str) -> None:
        """Stop a container at once; it stays."""
        self.call("POST", f"/containers/{name}/kill")
        self.await_end(name)

    def await_end(self, name: str) -> None:
        """Wait until a container has ended by itself."""
        self.call("POST", f"/containers/{name}/wait")

    def remove(self, name: str) -> None:
        """Remove a container, running or not."""
        self.call("DELETE", f"/containers/{name}?force=true&v=true")

    def prune(self) -> None:
        """Remove every image that no container uses and no tag names."""
        self.call("POST", f"/images/prune?filters={quote(json.dumps({'dangling': ['true']}))}")

    def answers(self) -> bool:
        """Tell whether the engine answers."""
        try:
            self.call("GET", "/version")
        except (OSError, http.client.HTTPException, EngineRefused):
            return False
        return True

    def clear(self) -> None:
        """Remove every container and every image."""
        for container in self.call("GET", "/containers/json?all=1"):
            self.remove(container["Id"])
        for image in self.call("GET", "/images/json"):
            with _gone_already():
                self.remove_image(image["Id"], force=True)


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
