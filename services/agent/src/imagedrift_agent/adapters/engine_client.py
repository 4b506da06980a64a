"""The calls of the Docker Engine API, through aiodocker: over a unix socket, TCP or TLS.

Rules:
- Every call is bounded in time and in bytes; its failure is one `EngineFault` that names the call.
- Nothing stays open between two snapshots but the stream of events.
- A stream has no time-out, not even for its head: some engines send none before the first event
  (containers/podman#23712), so silence is no failure there.
- Over TCP the kernel probes a silent connection: a machine that lost its power sends no end.

aiodocker's own habits, each replaced by a public parameter of `Docker` or `ClientSession`:
- `api_version="auto"` speaks whatever version the engine names. We negotiate (`core.api`).
- Without a URL it reads contexts and DOCKER_HOST. We read these (`core.address`).
- `images.list`, `containers.list`, `system.info` and `images.inspect` read a body without a bound,
  turn it into dicts, fail as a whole for one odd element, and cannot ask for `manifests=1`.
- `events.subscribe` takes a broken connection for the end, and does not tell when it listens. So
  all calls go through `_query`, on which these methods are built: it gives the response itself.
- It reads the body of an error without a bound and expects `message` in it, and aiohttp follows
  redirects. A middleware of the session turns every status but 200 into a fault before both.
- aiohttp takes compressed bodies, which grow without a bound. We do not offer that.
"""

import asyncio
import socket
import ssl
from collections.abc import AsyncGenerator, AsyncIterator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from functools import partial
from pathlib import Path
from typing import Any, Final, Self, TypeVar

from imagedrift_agent.adapters.aiodocker_api import aiodocker, aiohttp
from imagedrift_agent.adapters.engine_faults import (
    CONNECT_WITHIN_S,
    CallRefused,
    EngineFault,
    NotConnected,
    fault_of,
    refusal,
)
from imagedrift_agent.adapters.engine_limits import DEFAULT_LIMITS, EngineLimits
from imagedrift_agent.core import decoding
from imagedrift_agent.core.address import EngineAddress
from imagedrift_runtime import tls

T = TypeVar("T")

MAX_ERROR_BODY: Final = 64 * 1024
CONNECTIONS: Final = 4


class EngineClient:
    """The API of one engine for the length of an `async with`."""

    def __init__(self, address: EngineAddress, limits: EngineLimits = DEFAULT_LIMITS) -> None:
        self._address = address
        self._limits = limits
        self._prefix = ""
        self._docker: aiodocker.Docker

    async def __aenter__(self) -> Self:
        try:
            self._docker = _docker_at(self._address, self._limits)
        except OSError as error:  # a certificate that cannot be read
            reason = error.strerror or error
            raise NotConnected(f"GET of {self._address}: {reason}") from error
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._docker.close()
        await self._docker.session.close()  # ours: aiodocker leaves it, with its connections, open

    def speak(self, version: str) -> None:
        """Use a version of the API from now on, like `v1.41`; none for an empty text."""
        self._prefix = f"/{version}" if version else ""

    async def read(
        self,
        path: str,
        kind: type[T],
        params: dict[str, str] | None = None,
        *,
        within_s: float | None = None,
        at_most: int | None = None,
    ) -> T:
        """Fetch a document. Raises `EngineFault`, `ObjectGone` for a 404."""
        body = await self.get(path, params, within_s=within_s, at_most=at_most)
        try:
            return decoding.read(body, kind)
        except decoding.NONSENSE as error:
            raise self._nonsense(path, error) from error

    async def read_list(
        self, path: str, kind: type[T], params: dict[str, str] | None = None
    ) -> tuple[list[T], list[str]]:
        """Fetch a list: its elements, and the ids of those that make no sense.

        Raises `EngineFault`, also where no element has so much as an id that makes sense.
        """
        body = await self.get(path, params)
        try:
            understood, odd = decoding.read_list(body, kind)
        except decoding.NONSENSE as error:
            raise self._nonsense(path, error) from error
        if odd and not understood and not any(odd):
            raise self._nonsense(path, "no element makes sense")
        return understood, odd

    async def stream(
        self, path: str, params: dict[str, str] | None = None
    ) -> AsyncGenerator[bytes, None]:
        """Follow a body that does not end, chunk by chunk; the first is empty: it has begun.

        A second empty chunk tells that a late head arrived.
        """
        with self._translated(path, None):
            async with AsyncExitStack() as stack:
                opening = asyncio.create_task(
                    stack.enter_async_context(self._request(path, params))
                )
                stack.push_async_callback(_cancelled, opening)
                await asyncio.wait({opening}, timeout=self._limits.head_within_s)
                if not opening.done():
                    yield b""
                response = await opening
                yield b""
                async for chunk in response.content.iter_any():
                    yield chunk

    async def get(
        self,
        path: str,
        params: dict[str, str] | None = None,
        *,
        within_s: float | None = None,
        at_most: int | None = None,
    ) -> bytes:
        """Fetch a whole body. Raises `EngineFault`, `ObjectGone` for a 404."""
        most = self._limits.max_body if at_most is None else at_most
        seconds = within_s or self._limits.answer_within_s
        body = bytearray()
        with self._translated(path, seconds):
            async with asyncio.timeout(seconds), self._request(path, params) as response:
                async for chunk in response.content.iter_any():
                    body += chunk
                    if len(body) > most:
                        raise EngineFault(f"{self._call(path)}: more than {most} bytes")
        return bytes(body)

    @asynccontextmanager
    async def _request(
        self, path: str, params: dict[str, str] | None
    ) -> AsyncIterator[aiohttp.ClientResponse]:
        """Send a request. `_query` leaves it to its caller to release the response."""
        target = f"{self._prefix}{path}".removeprefix("/")
        # The one private name of aiodocker: ARCHITECTURE.md, "Libraries", says why.
        query = self._docker._query(target, params=params, versioned_api=False)  # noqa: SLF001
        async with query as response, response:
            yield response

    @contextmanager
    def _translated(self, path: str, seconds: float | None) -> Iterator[None]:
        """Give the failures of a call one type that names the call."""
        try:
            yield
        except (aiohttp.ClientError, aiodocker.DockerError, OSError, ValueError) as error:
            raise fault_of(self._call(path), str(self._address), error, seconds) from error

    def _nonsense(self, path: str, error: object) -> CallRefused:
        return CallRefused(f"{self._call(path)}: not what an engine says: {error}")

    def _call(self, path: str) -> str:
        return f"GET {self._prefix}{path}"


async def _cancelled(task: "asyncio.Task[Any]") -> None:
    task.cancel()
    await asyncio.wait({task})


def _docker_at(address: EngineAddress, limits: EngineLimits) -> aiodocker.Docker:
    """Make a client of aiodocker with a session of ours. Raises `OSError` for certificates."""
    scheme, host = ("https" if address.tls else "http"), address.host or "localhost"
    port = f":{address.port}" if address.port else ""
    connector = _connector(address, limits)
    session = aiohttp.ClientSession(
        connector=connector,
        headers={"Accept": "application/json", "Accept-Encoding": "identity"},
        cookie_jar=aiohttp.DummyCookieJar(),
        auto_decompress=False,
        middlewares=(_refuse_errors,),
    )
    return aiodocker.Docker(
        url=f"{scheme}://{f'[{host}]' if ':' in host else host}{port}",
        connector=connector,
        session=session,
        timeout=aiohttp.ClientTimeout(connect=CONNECT_WITHIN_S),
    )


def _connector(address: EngineAddress, limits: EngineLimits) -> aiohttp.BaseConnector:
    if address.path:
        return aiohttp.UnixConnector(address.path, limit=CONNECTIONS)
    context = _context(address) if address.tls else True
    return aiohttp.TCPConnector(
        limit=CONNECTIONS, ssl=context, socket_factory=partial(probed_when_silent, limits)
    )


async def _refuse_errors(
    request: aiohttp.ClientRequest, handler: aiohttp.ClientHandlerType
) -> aiohttp.ClientResponse:
    """Raise a fault for every status but 200, before a redirect is followed."""
    response = await handler(request)
    if response.status != 200:
        body = await response.content.read(MAX_ERROR_BODY)
        response.release()
        raise refusal(f"GET {request.url.raw_path}", response.status, body)
    return response


def probed_when_silent(limits: EngineLimits, address: Any) -> socket.socket:
    """Make a socket whose other end is probed by the kernel while it is silent."""
    family, kind, protocol, *_ = address
    made = socket.socket(family, kind, protocol)
    made.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    made.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, limits.silent_s)
    made.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPINTVL, limits.probe_every_s)
    made.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPCNT, limits.probes)
    return made


def _context(address: EngineAddress) -> ssl.SSLContext:
    """Trust only the engine's own CA, and show it our certificate."""
    folder = Path(address.certificates)
    if not address.certificates:
        return tls.context_for()
    context = tls.context_for(str(folder / "ca.pem"))
    if (folder / "cert.pem").exists():
        context.load_cert_chain(folder / "cert.pem", folder / "key.pem")
    return context
