"""The transport below httpx: connections to checked addresses, kept by origin and used again.

- A pool gets slower with every connection in it, if it visits all of them for each request, as
  httpx's own does. Here a free connection is taken from a stack.
- A server may end an idle connection in the moment in which we use it. A request that met its end,
  without a byte of a response, is made once more on a new one (RFC 9112, 9.3.1). So is one that is
  answered by bytes which are not HTTP: a server's late ones, which were not asked for.
- A server that sent such bytes once has each of its connections used for one request only.
- Anybody can make up registries, each at an origin of its own. So free connections are closed when
  their origin was not used for a while, or when there are too many origins: what is only dropped
  stays open for as long as its server likes.
- Proxies are those of the route, and no others.
"""

import time
from itertools import islice
from typing import Final

from imagedrift_resolver.adapters.dialer import Dialer
from imagedrift_resolver.adapters.http1_connection import Http1Connection
from imagedrift_resolver.adapters.request_failed import RequestFailed
from imagedrift_resolver.adapters.routes import ConnectionRoute
from imagedrift_resolver.core.url import Url
from imagedrift_runtime.httpx_library import httpx

MOST_ORIGINS: Final = 256
MOST_CLOSED: Final = 32
"""Origins that one request closes at the most."""


class CheckedTransport(httpx.AsyncBaseTransport):
    """Sends requests. What httpx does not know of one is in its extension `destination`."""

    def __init__(self, dialer: Dialer, limits: httpx.Limits) -> None:
        self._dialer = dialer
        self._idle_s = limits.keepalive_expiry or 0.0
        self._origins: dict[tuple[tuple[str, str, int], bool], _Origin] = {}

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Send one request. Raises `RequestFailed`."""
        url, route, trusted = request.extensions["destination"]
        origin = self._origin(url, route, trusted)
        await self._close_unused()
        return await origin.send(request)

    async def aclose(self) -> None:
        """Close every connection."""
        for origin in self._origins.values():
            await origin.close()
        self._origins.clear()

    def _origin(self, url: Url, route: ConnectionRoute, trusted: bool) -> "_Origin":
        key = (url.origin, trusted)
        origin = self._origins.pop(key, None)
        if origin is None:
            origin = _Origin(url, route, trusted, self._dialer, self._idle_s)
        origin.used_at = time.monotonic()
        self._origins[key] = origin  # the one used last stands last
        return origin

    async def _close_unused(self) -> None:
        """Close the origins that were not used for a while, and those beyond the bound."""
        now = time.monotonic()
        for key, origin in list(islice(self._origins.items(), MOST_CLOSED)):
            if len(self._origins) <= MOST_ORIGINS and now - origin.used_at < self._idle_s:
                break
            del self._origins[key]
            await origin.close()


class _Origin:
    """The connections to one origin that are free, the one used last on top."""

    def __init__(
        self, url: Url, route: ConnectionRoute, trusted: bool, dialer: Dialer, idle_s: float
    ) -> None:
        self._url = url
        self._route = route
        self._trusted = trusted
        self._dialer = dialer
        self._idle_s = idle_s
        self._free: list[Http1Connection] = []
        self._keeps = True
        self.used_at = 0.0

    async def send(self, request: httpx.Request) -> httpx.Response:
        if kept := await self._reuse_connection():
            try:
                return await self._exchange(kept, request)
            except RequestFailed:
                is_begun = kept.has_response_begun and not kept.is_out_of_step
                if request.method == "POST" or is_begun:
                    raise
        return await self._exchange(await self._opened(request), request)

    async def _exchange(
        self, connection: Http1Connection, request: httpx.Request
    ) -> httpx.Response:
        try:
            return await connection.handle_async_request(request)
        except BaseException:
            await self._discard(connection)
            raise

    async def release(self, connection: Http1Connection) -> None:
        """Keep a connection whose response was read whole; close any other."""
        if connection.finish() and self._keeps:
            self._free.append(connection)
        else:
            await self._discard(connection)

    async def close(self) -> None:
        """Close what is free, and let what is in use be closed when it is released."""
        self._keeps = False
        while self._free:
            await self._free.pop().aclose()

    async def _discard(self, connection: Http1Connection) -> None:
        self._keeps = self._keeps and not connection.is_out_of_step
        await connection.aclose()

    async def _reuse_connection(self) -> Http1Connection | None:
        while self._free:
            connection = self._free.pop()
            if connection.is_idle(self._idle_s):
                return connection
            self._keeps = self._keeps and not connection.has_unasked
            await connection.aclose()
        return None

    async def _opened(self, request: httpx.Request) -> Http1Connection:
        within_s = request.extensions["timeout"]["connect"]
        stream = await self._dialer.connect(
            self._url, self._route, trusted=self._trusted, within_s=within_s
        )
        # For https a proxy only connects; for http it is asked itself, in absolute form.
        proxy = self._route.proxy if self._url.scheme == "http" else None
        origin = f"{self._url.scheme}://{self._url.authority}"
        return Http1Connection(stream, origin, proxy, self.release)
