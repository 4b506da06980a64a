"""Requests over httpx, bounded in time and size, on connections to checked addresses.

- httpx gets slower with every connection in one pool (its book-keeping visits all of them for each
  request), so an origin has as many small pools as it needs, each of at most `POOL` connections.
- The transport is ours, an `httpx.AsyncBaseTransport` over httpcore: there is no cookie, no
  redirect, no `.netrc`, no proxy, no decompression that could undo what was decided here.
- A body is read up to its cap and no further; the connection is closed then. A response that does
  not end within `WITHIN_S` is none.
"""

import asyncio
import ssl
from collections.abc import AsyncIterator, Callable
from typing import Any, Final

import httpcore
import httpx

from imagedrift_resolver.adapters.sockets import CheckedBackend, Forbidden
from imagedrift_resolver.core.answer import ERROR_CAP
from imagedrift_resolver.core.reply import HEARD, Reply, Trouble
from imagedrift_resolver.core.url import Url

POOL: Final = 8
IDLE_S: Final = 15.0
CONNECT_WITHIN_S: Final = 5.0
READ_WITHIN_S: Final = 10.0
WITHIN_S: Final = 15.0
MOST_ORIGINS: Final = 256
_HEARD: Final = {name.encode(): name for name in HEARD}
_TIMEOUT: Final = {
    "connect": CONNECT_WITHIN_S,
    "read": READ_WITHIN_S,
    "write": READ_WITHIN_S,
    "pool": WITHIN_S,
}


class Http:
    """Makes requests to any origin; connections are kept and used again."""

    def __init__(self, trust: Callable[[str], ssl.SSLContext]) -> None:
        self._trust = trust
        self._origins: dict[tuple[tuple[str, str, int], bool], _Origin] = {}

    async def send(
        self,
        method: str,
        url: Url,
        headers: list[tuple[str, str]],
        *,
        cap: int,
        trusted: bool,
        content: bytes | None = None,
    ) -> Reply | Trouble:
        """Make a request. Whatever goes wrong is a `Trouble` with its reason."""
        origin = self._origin(url, trusted)
        request = httpx.Request(
            method,
            str(url),
            headers=headers,
            content=content,
            extensions={"timeout": _TIMEOUT},
        )
        try:
            async with asyncio.timeout(WITHIN_S):
                return await origin.send(request, cap)
        except TimeoutError:
            return Trouble(f"{url.authority}: no complete response within {WITHIN_S:.0f} s")
        except Forbidden as error:
            return Trouble(f"not asked: {error}", forbidden=True)
        except (httpcore.ConnectError, httpcore.ConnectTimeout) as error:
            return Trouble(f"{url.authority}: {error}")
        except httpcore.TimeoutException:
            return Trouble(f"{url.authority}: no response within {READ_WITHIN_S:.0f} s")
        except httpcore.ProtocolError:
            return Trouble(f"{url.authority}: the response is not HTTP, or ended early")
        except httpcore.NetworkError as error:
            return Trouble(f"{url.authority}: the connection broke: {error}")

    async def close(self) -> None:
        """Close every connection."""
        for origin in self._origins.values():
            await origin.close()
        self._origins.clear()

    def _origin(self, url: Url, trusted: bool) -> "_Origin":
        key = (url.origin, trusted)
        origin = self._origins.pop(key, None) or _Origin(self._trust(url.authority), trusted)
        self._origins[key] = origin  # the one used last stands last
        if len(self._origins) > MOST_ORIGINS:
            self._forget_one()
        return origin

    def _forget_one(self) -> None:
        """Drop the origin that has been idle for longest; busy ones stay."""
        idle = next((key for key, origin in self._origins.items() if not origin.busy), None)
        if idle is not None:
            self._origins.pop(idle).abandon()


class Pool(httpx.AsyncBaseTransport):
    """A few connections to one origin, as an httpx transport."""

    def __init__(self, context: ssl.SSLContext, trusted: bool) -> None:
        self.busy = 0
        self._pool = httpcore.AsyncConnectionPool(
            ssl_context=context,
            max_connections=POOL,
            max_keepalive_connections=POOL,
            keepalive_expiry=IDLE_S,
            network_backend=CheckedBackend(trusted=trusted),
        )

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Send one request; the response's body is still to be read."""
        url = request.url
        sent = httpcore.Request(
            request.method,
            httpcore.URL(
                scheme=url.raw_scheme, host=url.raw_host, port=url.port, target=url.raw_path
            ),
            headers=request.headers.raw,
            content=request.stream,
            extensions=request.extensions,
        )
        got = await self._pool.handle_async_request(sent)
        return httpx.Response(got.status, headers=got.headers, stream=_Body(got))

    async def aclose(self) -> None:
        """Close the connections."""
        await self._pool.aclose()


class _Body(httpx.AsyncByteStream):
    """The body of a response, as it arrives."""

    def __init__(self, response: httpcore.Response) -> None:
        self._response = response

    async def __aiter__(self) -> AsyncIterator[bytes]:
        async for chunk in self._response.aiter_stream():
            yield chunk

    async def aclose(self) -> None:
        await self._response.aclose()


class _Origin:
    """The pools of one origin."""

    def __init__(self, context: ssl.SSLContext, trusted: bool) -> None:
        self._context = context
        self._trusted = trusted
        self._pools: list[Pool] = []

    @property
    def busy(self) -> bool:
        return any(pool.busy for pool in self._pools)

    async def send(self, request: httpx.Request, cap: int) -> Reply:
        pool = self._free()
        pool.busy += 1
        try:
            response = await pool.handle_async_request(request)
            try:
                return await _read(response, cap)
            finally:
                await response.stream.aclose()  # type: ignore[union-attr]  # it is `_Body`
        finally:
            pool.busy -= 1

    async def close(self) -> None:
        for pool in self._pools:
            await pool.aclose()

    def abandon(self) -> None:
        """Let go of idle connections: their sockets close when they are collected."""
        self._closing = asyncio.create_task(self.close())

    def _free(self) -> Pool:
        for pool in self._pools:
            if pool.busy < POOL:
                return pool
        pool = Pool(self._context, self._trusted)
        self._pools.append(pool)
        return pool


async def _read(response: httpx.Response, cap: int) -> Reply:
    headers: dict[str, tuple[str, ...]] = {}
    for name, value in response.headers.raw:
        key = _HEARD.get(name.lower())
        if key is not None:
            headers[key] = (*headers.get(key, ()), value.decode("latin-1"))
    most = cap if response.status_code == 200 else ERROR_CAP
    body = bytearray()
    cut = False
    try:
        stream: Any = response.stream
        async for chunk in stream:
            body += chunk
            if len(body) > most:
                cut = True
                break
    except (httpcore.ProtocolError, httpcore.NetworkError):
        cut = True
    return Reply(response.status_code, headers, bytes(body[:most]), cut)
