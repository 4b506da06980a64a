"""Requests over httpx, bounded in time and size, on connections to checked addresses.

- httpx gets slower with every connection in its pool (the book-keeping visits all of them for each
  request: 100 in one client are slower than 10), so there is no pool: each connection is a
  transport of its own, and a free one is taken from a stack.
- There is no cookie, no redirect, no `.netrc` and no decompression that could undo what was decided
  in `core`. Proxies are those of the route, and no others.
- A body is read up to its cap and no further; the connection is closed then. A response that does
  not end within its route's time is none.
- A server may end an idle connection in the moment in which we use it. A request that met its end,
  without a byte of a response, is made once more on a new one (RFC 9112, 9.3.1). So is one that
  is answered with what is not HTTP: a server's late bytes, which nobody asked for.
- A server that sent such bytes once has each of its connections used for one request only.
"""

import asyncio
from functools import lru_cache
from typing import Any, Final

import h11
import httpx

from imagedrift_resolver.adapters.dialer import Dialer
from imagedrift_resolver.adapters.line import Line
from imagedrift_resolver.adapters.names import Names
from imagedrift_resolver.adapters.proxying import WANTS_CREDENTIAL, refusal
from imagedrift_resolver.adapters.routes import Route, Routes
from imagedrift_resolver.adapters.sockets import Broken, Forbidden
from imagedrift_resolver.core.answer import ERROR_CAP
from imagedrift_resolver.core.proxy import Proxy
from imagedrift_resolver.core.reply import HEARD, Reply, Trouble
from imagedrift_resolver.core.url import Url

MOST_ORIGINS: Final = 256
WITHIN_S: Final = 15.0
_HEARD: Final = {name.encode(): name for name in HEARD}
MOST_PIECES: Final = 10_000
"""Pieces in which a body may come: each costs as much as a kilobyte does, however small it is."""
TURN: Final = 100
"""Pieces after which others get their turn, as all may be there at once."""

Headers = list[tuple[str, str]]


class Http:
    """Makes requests to any origin; connections are kept and used again."""

    def __init__(self, routes: Routes, names: Names | None = None) -> None:
        self._routes = routes
        self._names = names or Names()
        self._dialer = Dialer(self._names)
        self._origins: dict[tuple[tuple[str, str, int], bool], _Origin] = {}

    async def send(
        self,
        method: str,
        url: Url,
        headers: Headers,
        *,
        cap: int,
        trusted: bool,
        content: bytes | None = None,
    ) -> Reply | Trouble:
        """Make a request. Whatever goes wrong is a `Trouble` with its reason."""
        request = httpx.Request(
            method, str(url), headers=_prepared(tuple(headers)), content=content
        )
        origin = self._origin(url, trusted)
        within_s = origin.route.timeout_s or WITHIN_S
        try:
            async with asyncio.timeout(within_s):
                return await origin.send(request, cap)
        except TimeoutError:
            return Trouble(f"{url.authority}: no complete response within {within_s:g} s")
        except Forbidden as error:
            return Trouble(f"not asked: {error}", forbidden=True)
        except Broken as error:
            return Trouble(f"{url.authority}: {error}")
        except h11.ProtocolError:
            return Trouble(f"{url.authority}: the response is not HTTP, or ended early")

    async def close(self) -> None:
        """Close every connection."""
        for origin in self._origins.values():
            await origin.close()
        self._origins.clear()
        await self._names.close()

    def _origin(self, url: Url, trusted: bool) -> "_Origin":
        key = (url.origin, trusted)
        origin = self._origins.pop(key, None)
        if origin is None:
            origin = _Origin(url, trusted, self._routes(url, trusted), self._dialer)
        self._origins[key] = origin  # the one used last stands last
        if len(self._origins) > MOST_ORIGINS:
            self._origins.pop(next(iter(self._origins)))  # its idle connections end when collected
        return origin


class _Origin:
    """The connections to one origin that are free, the one used last on top."""

    def __init__(self, url: Url, trusted: bool, route: Route, dialer: Dialer) -> None:
        self.route = route
        self._url = url
        self._trusted = trusted
        self._dialer = dialer
        self._free: list[Line] = []
        self._keeps = True

    async def send(self, request: httpx.Request, cap: int) -> Reply:
        line = await self._kept()
        if line is None:
            return await self._exchange(await self._opened(), request, cap)
        try:
            return await self._exchange(line, request, cap)
        except (Broken, h11.ProtocolError):
            if request.method == "POST" or (line.is_answered and not line.is_off):
                raise
        return await self._exchange(await self._opened(), request, cap)

    async def _exchange(self, line: Line, request: httpx.Request, cap: int) -> Reply:
        reusable = False
        try:
            reply = await _read(await line.handle_async_request(request), cap)
            reusable = line.finish()
            if reply.status == WANTS_CREDENTIAL and self._forwarding:
                raise Broken(refusal(self._forwarding, reply.status))
            return reply
        finally:
            self._keeps = self._keeps and not line.is_off
            if reusable and self._keeps:
                self._free.append(line)
            else:
                await line.aclose()

    @property
    def _forwarding(self) -> Proxy | None:
        """The proxy that is asked itself, in absolute form: for https it only connects."""
        return self.route.proxy if self._url.scheme == "http" else None

    async def close(self) -> None:
        while self._free:
            await self._free.pop().aclose()

    async def _kept(self) -> Line | None:
        while self._free:
            line = self._free.pop()
            if line.is_free:
                return line
            self._keeps = self._keeps and not line.has_unasked
            await line.aclose()
        return None

    async def _opened(self) -> Line:
        end = await self._dialer.connect(self._url, self.route, trusted=self._trusted)
        scheme, authority = self._url.scheme, self._url.authority
        return Line(end, self._forwarding, f"{scheme}://{authority}")


@lru_cache(maxsize=256)
def _prepared(headers: tuple[tuple[str, str], ...]) -> httpx.Headers:
    """Give headers httpx's form: they are the same for all requests to a repository."""
    return httpx.Headers(list(headers))


async def _read(response: httpx.Response, cap: int) -> Reply:
    headers: dict[str, tuple[str, ...]] = {}
    for name, value in response.headers.raw:
        key = _HEARD.get(name)
        if key is not None:
            headers[key] = (*headers.get(key, ()), value.decode("latin-1"))
    most = cap if response.status_code == 200 else ERROR_CAP
    body, cut, pieces = bytearray(), False, 0
    stream: Any = response.stream
    try:
        async for chunk in stream:
            body += chunk
            pieces += 1
            if len(body) > most or pieces > MOST_PIECES:
                cut = True
                break
            if pieces % TURN == 0:
                await asyncio.sleep(0)
    except (Broken, h11.ProtocolError):
        cut = True
    return Reply(response.status_code, headers, bytes(body[:most]), cut)
