"""Requests over httpx, bounded in time and size.

- There is no cookie, no redirect, no `.netrc` and no decompression that could undo a decision of
  `core`. Addresses are checked in our own transport, for every request.
- httpx is given the origin, and the target as it was checked: it would write some targets in
  another way, and a signed one is worth nothing then.
- A body is read up to its cap and no further; the connection is closed then.
- httpx limits the time of each part. A server that sends a byte a second would never exceed that,
  so the whole response has a limit as well.
"""

import asyncio
from functools import lru_cache
from typing import Any, Final

from imagedrift_resolver.adapters.dialer import Dialer
from imagedrift_resolver.adapters.http_transport import CheckedTransport
from imagedrift_resolver.adapters.request_failed import RequestFailed
from imagedrift_resolver.adapters.routes import ConnectionRoutes
from imagedrift_resolver.core.answer import ERROR_CAP
from imagedrift_resolver.core.reply import NoResponse, Reply
from imagedrift_resolver.core.url import Url
from imagedrift_runtime import metrics
from imagedrift_runtime.httpx_library import httpx

CONNECT_WITHIN_S: Final = 5.0
WITHIN_S: Final = 15.0
LIMITS: Final = httpx.Limits(max_connections=None, keepalive_expiry=15.0)
"""How many connections there are is the limiter's matter."""
MOST_PIECES: Final = 10_000
"""Pieces in which a body may come: each costs as much as a kilobyte does, however small it is."""
PIECES_PER_TURN: Final = 100
"""Pieces after which other tasks get a turn, as all pieces may be there at once."""

Headers = list[tuple[str, str]]


class HttpClient:
    """Makes requests to any origin."""

    def __init__(self, routes: ConnectionRoutes, dialer: Dialer) -> None:
        self._routes = routes
        self._dialer = dialer
        self._client = _Client(
            transport=CheckedTransport(dialer, LIMITS),
            follow_redirects=False,
            trust_env=False,
            limits=LIMITS,
        )

    async def send(
        self,
        method: str,
        url: Url,
        headers: Headers,
        *,
        cap: int,
        trusted: bool,
        content: bytes | None = None,
    ) -> Reply | NoResponse:
        """Make a request. Whatever goes wrong is a `NoResponse` with its reason."""
        route = self._routes(url, trusted)
        within_s = route.timeout_s or WITHIN_S
        connect_s = route.timeout_s or CONNECT_WITHIN_S
        extensions = {
            "timeout": httpx.Timeout(within_s, connect=connect_s).as_dict(),
            "target": url.target.encode(),
            "destination": (url, route, trusted),
        }
        origin, prepared = _origin(url.scheme, url.authority), _prepared(tuple(headers))
        request = httpx.Request(
            method, origin, headers=prepared, content=content, extensions=extensions
        )
        try:
            async with asyncio.timeout(within_s):
                return await self._exchange(request, cap)
        except TimeoutError:
            why = f"{url.authority}: no complete response within {within_s:g} s"
            return _counted(NoResponse("read_timeout", why))
        except RequestFailed as error:
            where = "" if error.kind == "forbidden" else f"{url.authority}: "
            return _counted(NoResponse(error.kind, f"{where}{error}"))

    async def close(self) -> None:
        """Close every connection."""
        await self._client.aclose()
        await self._dialer.close()

    async def _exchange(self, request: httpx.Request, cap: int) -> Reply:
        response = await self._client.send(request, stream=True)
        try:
            return await _read(response, cap)
        finally:
            await response.aclose()


class _NoCookies(httpx.Cookies):
    """No cookies: a response's are not even looked for, which costs httpx 0.2 ms a request."""

    def extract_cookies(self, response: httpx.Response) -> None:
        """Keep nothing."""


class _Client(httpx.AsyncClient):
    """A client without cookies."""

    _none: Final = _NoCookies()

    @property
    def cookies(self) -> httpx.Cookies:
        """No cookies."""
        return self._none

    @cookies.setter
    def cookies(self, cookies: object) -> None:
        """Take none."""


@lru_cache(maxsize=256)
def _origin(scheme: str, authority: str) -> httpx.URL:
    """Give an origin httpx's form, which is the same for all requests to a registry."""
    return httpx.URL(f"{scheme}://{authority}")


@lru_cache(maxsize=256)
def _prepared(headers: tuple[tuple[str, str], ...]) -> httpx.Headers:
    """Give headers httpx's form: they are the same for all requests to a repository."""
    return httpx.Headers(list(headers))


def _counted(none: NoResponse) -> NoResponse:
    metrics.no_responses.add(kind=none.kind)
    return none


async def _read(response: httpx.Response, cap: int) -> Reply:
    headers: dict[str, tuple[str, ...]] = {}
    for raw, value in (*response.headers.raw, *response.extensions["location"]):
        name = raw.decode("latin-1")
        headers[name] = (*headers.get(name, ()), value.decode("latin-1"))
    most = cap if response.status_code == 200 else ERROR_CAP
    body, cut, pieces = bytearray(), False, 0
    stream: Any = response.stream  # as it comes: nothing is decoded
    try:
        async for chunk in stream:
            body += chunk
            pieces += 1
            if len(body) > most or pieces > MOST_PIECES:
                cut = True
                break
            if pieces % PIECES_PER_TURN == 0:
                await asyncio.sleep(0)
    except RequestFailed:
        cut = True
    return Reply(response.status_code, headers, bytes(body[:most]), cut)
