"""A container engine that exists only on its socket: it answers what it is told to.

For hosts without an engine, and for what real engines do rarely: hang, talk nonsense, forget an
endpoint. It speaks as much HTTP/1.1 as a client of the Docker Engine API needs: GET with
keep-alive, and the stream of events in chunks.
"""

import asyncio
import json
import re
import ssl
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any, Literal, NamedTuple

from imagedrift_sandbox.free_port import LOOPBACK

EngineBehaviour = Literal["", "hangs", "nonsense", "fails", "hangs up"]

_EVENTS_HEAD = (
    b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n"
)
_VERSIONED = re.compile(r"^/v[0-9.]+(?=/)")


class Refusal(NamedTuple):
    """An answer that is an error, in place of a document."""

    status: int


class Hanging(NamedTuple):
    """No answer at all, in place of a document."""


class Bytes(NamedTuple):
    """Bytes that are written in place of a response; then the connection ends."""

    written: bytes


class HeadlessEvents(NamedTuple):
    """A stream of events that sends nothing before the first one, not even its head."""


class ScriptedEngine:
    """An engine with the answers that a script gives it, by path without the API version.

    An answer whose key has a query as well goes before the one for the path alone.
    """

    def __init__(self, host: str) -> None:
        self.host = host
        """The value of DOCKER_HOST."""
        self.answers: dict[str, Any] = {}
        self.fault: EngineBehaviour = ""
        self.asked: list[str] = []
        """Every target that was asked for, in order, with its API version and query."""
        self.headless: set[asyncio.StreamWriter] = set()
        """Connections that wait for the head of a stream of events."""
        self.first_asked_at: float | None = None
        """When the first of them was, by `time.perf_counter`."""
        self._listeners: set[asyncio.StreamWriter] = set()
        self._writers: set[asyncio.StreamWriter] = set()
        self._tasks: set[asyncio.Task[None]] = set()

    @classmethod
    @asynccontextmanager
    async def serving(cls, path: Path) -> AsyncIterator["ScriptedEngine"]:
        """Serve on a unix socket for the length of an `async with`."""
        engine = cls(f"unix://{path}")
        async with engine._served(await asyncio.start_unix_server(engine._accept, path)):
            yield engine
        path.unlink(missing_ok=True)

    @classmethod
    @asynccontextmanager
    async def serving_tcp(
        cls, tls: ssl.SSLContext | None = None
    ) -> AsyncIterator["ScriptedEngine"]:
        """Serve on a free port of 127.0.0.1 for the length of an `async with`."""
        engine = cls("")
        server = await asyncio.start_server(engine._accept, LOOPBACK, 0, ssl=tls)
        engine.host = f"tcp://{LOOPBACK}:{server.sockets[0].getsockname()[1]}"
        async with engine._served(server):
            yield engine

    @property
    def path(self) -> Path:
        """The socket."""
        return Path(self.host.removeprefix("unix://"))

    def forget_asked(self) -> None:
        """Forget the requests so far."""
        self.asked.clear()
        self.first_asked_at = None

    def emit(self, kind: str, action: str, about: str = "x") -> None:
        """Send an event to all listeners."""
        event = {"Type": kind, "Action": action, "Actor": {"ID": about, "Attributes": {}}}
        self.emit_raw(json.dumps(event).encode() + b"\n")

    def emit_raw(self, piece: bytes) -> None:
        """Send one chunk of the stream of events."""
        for writer in self.headless:
            writer.write(_EVENTS_HEAD)
            self._listeners.add(writer)
        self.headless.clear()
        for writer in [each for each in self._listeners if not each.is_closing()]:
            writer.write(f"{len(piece):x}\r\n".encode() + piece + b"\r\n")

    async def drop_connections(self) -> None:
        """Close every connection, as an engine that restarts does."""
        for writer in list(self._writers):  # a task that never ran would not close its own
            writer.close()
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    @asynccontextmanager
    async def _served(self, server: asyncio.Server) -> AsyncIterator[None]:
        try:
            yield
        finally:
            server.close()
            await self.drop_connections()

    def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._writers.add(writer)
        task = asyncio.create_task(self._serve(reader, writer))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while request := await reader.readuntil(b"\r\n\r\n"):
                target = request.split(b" ", 2)[1].decode()
                self.asked.append(target)
                self.first_asked_at = self.first_asked_at or time.perf_counter()
                if not await self._answer(target, writer):
                    break
        except (asyncio.IncompleteReadError, ConnectionError):
            return
        finally:
            self._listeners.discard(writer)
            self.headless.discard(writer)
            self._writers.discard(writer)
            writer.close()

    async def _answer(self, target: str, writer: asyncio.StreamWriter) -> bool:
        """Answer one request; False when the connection ends with it."""
        match self.fault:
            case "hangs":
                await asyncio.Event().wait()
            case "hangs up":
                return False
            case "nonsense":
                _send(writer, 200, b"<html>this is no engine</html>")
                return True
            case "fails":
                _send(writer, 500, b'{"message":"the store is broken"}')
                return True
            case "":
                pass
        path = _VERSIONED.sub("", target.partition("?")[0])
        if path == "/events" and path not in self.answers:
            await self._stream_events(writer)
            return False
        return await self._answer_by_script(_VERSIONED.sub("", target), path, writer)

    async def _answer_by_script(self, target: str, path: str, writer: asyncio.StreamWriter) -> bool:
        """Give the answer for a target, or for its path with any query."""
        match self.answers.get(target, self.answers.get(path, Refusal(404))):
            case Hanging():
                await asyncio.Event().wait()
            case HeadlessEvents():
                self.headless.add(writer)
                await asyncio.Event().wait()
            case Bytes(written):
                writer.write(written)
                await writer.drain()
                return False
            case Refusal(status):
                _send(writer, status, b'{"message":"this is refused"}')
            case document:
                _send(writer, 200, json.dumps(document).encode())
        await writer.drain()
        return True

    async def _stream_events(self, writer: asyncio.StreamWriter) -> None:
        writer.write(_EVENTS_HEAD)
        self._listeners.add(writer)
        with suppress(ConnectionError):
            await writer.drain()
            await asyncio.Event().wait()


def _send(writer: asyncio.StreamWriter, status: int, body: bytes) -> None:
    head = f"HTTP/1.1 {status} .\r\nContent-Type: application/json\r\n"
    writer.write(f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body)


def populate(engine: ScriptedEngine, images: int, containers: int) -> None:
    """Give an engine as many images and running containers as a host may have."""
    listed = [_image(number) for number in range(images)]
    engine.answers |= {
        "/version": {"Version": "28.2.2", "ApiVersion": "1.41", "Os": "linux", "Arch": "amd64"},
        "/info": {"Name": "scripted", "Labels": []},
        "/images/json": [
            {key: image[key] for key in ("Id", "RepoTags", "RepoDigests", "Size", "Labels")}
            for image in listed
        ],
        "/containers/json": [_container(n, listed[n % images]) for n in range(containers)],
    }
    engine.answers |= {f"/images/{image['Id']}/json": image for image in listed}


def _image(number: int) -> dict[str, Any]:
    digest = f"sha256:{number:064x}"
    repository = f"registry.example.org/team-{number % 7}/app-{number}"
    labels = {f"org.example.label-{n}": f"value {n} of image {number}" for n in range(8)}
    return {
        "Id": f"sha256:{number + 10**6:064x}",
        "RepoTags": [f"{repository}:1.{number}"],
        "RepoDigests": [f"{repository}@{digest}"],
        "Created": "2026-10-01T10:20:30.123456789Z",
        "Size": 70_000_000 + number,
        "Labels": labels,
        "Os": "linux",
        "Architecture": "amd64",
        "Config": {"Labels": labels, "Env": [f"VARIABLE_{n}=value" for n in range(12)]},
        "RootFS": {"Type": "layers", "Layers": [f"sha256:{n:064x}" for n in range(10)]},
    }


def _container(number: int, image: dict[str, Any]) -> dict[str, Any]:
    return {
        "Id": f"{number:064x}",
        "Names": [f"/shop-web-{number}"],
        "Image": image["RepoTags"][0],
        "ImageID": image["Id"],
        "State": "running",
        "Labels": {
            **image["Labels"],
            "com.docker.compose.project": "shop",
            "com.docker.compose.service": f"web-{number}",
        },
    }
