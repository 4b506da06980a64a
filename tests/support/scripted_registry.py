"""A registry over a socket whose every answer is a test's own function."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from aiohttp import web

MANIFEST = (
    b'{"schemaVersion":2,"config":{"digest":"sha256:'
    + b"c" * 64
    + b'","size":2,"mediaType":"application/vnd.oci.image.config.v1+json"},"layers":[]}'
)
MEDIA_TYPE = "application/vnd.oci.image.manifest.v1+json"
DIGEST = "sha256:" + "d" * 64


class Asked:
    """One request, as a test's function sees it."""

    def __init__(self, method: str, path: str, authorization: str) -> None:
        self.method = method
        self.path = path
        self.authorization = authorization


ScriptedReply = tuple[int, dict[str, str], bytes]
Answering = Callable[[Asked], ScriptedReply]


class ScriptedRegistry:
    """The requests to a scripted registry, and its address."""

    def __init__(self, answer: Answering) -> None:
        self.answer = answer
        self.asked: list[Asked] = []
        self.host = ""

    def told(self, path: str = "", method: str = "") -> list[Asked]:
        """Return the requests to paths with these words in them."""
        return [a for a in self.asked if path in a.path and a.method in (method or a.method)]

    async def handle(self, request: web.BaseRequest) -> web.Response:
        """Answer a request."""
        asked = Asked(request.method, request.path_qs, request.headers.get("Authorization", ""))
        self.asked.append(asked)
        status, headers, body = self.answer(asked)
        return web.Response(status=status, headers=headers, body=body)


@asynccontextmanager
async def scripted(answer: Answering) -> AsyncIterator[ScriptedRegistry]:
    """Serve on a free port of 127.0.0.1."""
    registry = ScriptedRegistry(answer)
    server = web.Server(registry.handle, access_log=None)
    listener = await asyncio.get_running_loop().create_server(server, "127.0.0.1", 0)
    registry.host = f"127.0.0.1:{listener.sockets[0].getsockname()[1]}"
    try:
        yield registry
    finally:
        listener.close()
        server.pre_shutdown()
        await server.shutdown(timeout=1.0)


def manifest(digest: str = "") -> ScriptedReply:
    """A manifest, with its digest in a header where one is given."""
    headers = {"Content-Type": MEDIA_TYPE}
    return 200, headers | ({"Docker-Content-Digest": digest} if digest else {}), MANIFEST


def error(status: int, code: str) -> ScriptedReply:
    """An OCI error document."""
    body = f'{{"errors":[{{"code":"{code}"}}]}}'.encode()
    return status, {"Content-Type": "application/json"}, body


def page(status: int, text: str = "404 page not found", kind: str = "text/plain") -> ScriptedReply:
    """A response of another program in a registry's place."""
    return status, {"Content-Type": kind}, text.encode()


def wants(challenge: str, status: int = 401) -> ScriptedReply:
    """A challenge."""
    return status, {"WWW-Authenticate": challenge}, b""


def token(value: str) -> ScriptedReply:
    """A token endpoint's answer."""
    return 200, {"Content-Type": "application/json"}, f'{{"token":"{value}"}}'.encode()
