"""The registry as an HTTP server: each request goes fault → credentials → budget → content.

It is one raw aiohttp handler without router and middlewares, because benchmarks ask thousands
of HEADs a second of it.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from typing import Self

from aiohttp import web

from imagedrift_sandbox.free_port import LOOPBACK
from imagedrift_sandbox.registry.auth import (
    Access,
    Auth,
    Decision,
    IssuedTokens,
    challenges,
    decide,
)
from imagedrift_sandbox.registry.budgets import Budget, Meter
from imagedrift_sandbox.registry.control import CONTROL, Control
from imagedrift_sandbox.registry.counts import Counts, SeenRequest, Totals
from imagedrift_sandbox.registry.faults import (
    Fault,
    Faults,
    cut,
    is_slow,
    reheaded,
    replacement,
    send_badly,
)
from imagedrift_sandbox.registry.images import PushedImage, Shape, push_image
from imagedrift_sandbox.registry.pull_api import accept_of, read
from imagedrift_sandbox.registry.push_api import Uploads
from imagedrift_sandbox.registry.replies import oci_error
from imagedrift_sandbox.registry.routes import PUSHES, RegistryRoute, RouteKind, understand
from imagedrift_sandbox.registry.store import RegistryContent
from imagedrift_sandbox.registry.tag_pages import TagPaging
from imagedrift_sandbox.registry.token_endpoint import give_token

METERED = frozenset({RouteKind.MANIFEST_HEAD, RouteKind.MANIFEST_GET})


class SandboxRegistry:
    """A registry on a free port of 127.0.0.1, whose mood can be changed while it runs.

    Two registries that share `store` and `tokens` are two hosts of one registry.
    """

    def __init__(
        self,
        *,
        auth: Auth | None = None,
        store: RegistryContent | None = None,
        tokens: IssuedTokens | None = None,
        negotiate: bool = True,
    ) -> None:
        self.auth = auth or Auth()
        self.store = store or RegistryContent()
        self.tokens = tokens or IssuedTokens()
        self.negotiate = negotiate
        """Whether Accept is obeyed; some registries ignore it."""
        self.tag_paging = TagPaging.PLAIN
        """How tags are listed."""
        self.faults = Faults()
        self.counts = Counts()
        self.meter: Meter | None = None
        self.port = 0
        self._uploads = Uploads(self.store)
        self._control = Control(self)
        self._closing = asyncio.Event()

    @asynccontextmanager
    async def serving(self, port: int = 0, address: str = LOOPBACK) -> AsyncIterator[Self]:
        """Serve for the length of an `async with`."""
        server = web.Server(self._handle, handler_cancellation=True, access_log=None)
        listener = await asyncio.get_running_loop().create_server(
            server, address, port, backlog=1024
        )
        self.port = listener.sockets[0].getsockname()[1]
        try:
            yield self
        finally:
            self._closing.set()
            listener.close()
            server.pre_shutdown()  # idle connections end now
            await server.shutdown(timeout=1.0)

    @property
    def host(self) -> str:
        """The registry's name in image references."""
        return f"{LOOPBACK}:{self.port}"

    @property
    def url(self) -> str:
        """The registry's base url."""
        return f"http://{self.host}"

    def reference(self, repository: str, tag: str) -> str:
        """An image reference of this registry."""
        return f"{self.host}/{repository}:{tag}"

    def push_image(
        self,
        repository: str,
        tag: str = "latest",
        *,
        platforms: tuple[str, ...] = ("linux/amd64",),
        seed: int = 0,
        shape: Shape = Shape.MANIFEST,
    ) -> PushedImage:
        """Put a synthetic image here without a client; see `images.push_image`."""
        return push_image(self.store, repository, tag, platforms=platforms, seed=seed, shape=shape)

    def push_tags(self, repository: str, tags: Iterable[str], *, seed: int = 0) -> PushedImage:
        """Put one synthetic image here under many tags."""
        names = [*tags]
        pushed = self.push_image(repository, names[0], seed=seed)
        kept = self.store.repository(repository).tags
        kept.update(dict.fromkeys(names, kept[names[0]]))
        return pushed

    def misbehave(self, fault: Fault) -> int:
        """Set a fault; the number returned removes it again (`faults.remove`)."""
        return self.faults.add(fault)

    def limit(self, budget: Budget | None) -> None:
        """Begin a new budget, or have none."""
        self.meter = None if budget is None else Meter(budget)

    def totals(self) -> Totals:
        """The counters now."""
        return self.counts.totals()

    async def _handle(self, request: web.BaseRequest) -> web.StreamResponse:
        path = request.rel_url.path
        if path.startswith(CONTROL):
            return await self._control.answer(request)
        route = understand(request.method, path, self.auth.token_path)
        seen = _note_request(route, request)
        self.counts.arrived(route, seen)
        credentials = seen.authorization is not None
        fault = self.faults.strike(route, request.host, credentials=credentials)
        if fault is None:
            response: web.StreamResponse = await self._behave(route, request)
        else:
            response = await self._misbehave(fault, route, request, seen)
        self.counts.answered(seen, response.status)
        return response

    async def _misbehave(
        self, fault: Fault, route: RegistryRoute, request: web.BaseRequest, seen: SeenRequest
    ) -> web.StreamResponse:
        if fault.latency_s:
            await asyncio.sleep(fault.latency_s)
        if fault.hang:
            await self._closing.wait()
        if fault.hang or fault.drop:
            cut(request)
            return web.Response(status=499)
        answer = replacement(fault, request.path_qs) or await self._behave(route, request)
        answer = reheaded(fault, answer)
        if not is_slow(fault) or request.method == "HEAD":
            return answer
        seen.status = answer.status
        return await send_badly(fault, request, answer)

    async def _behave(self, route: RegistryRoute, request: web.BaseRequest) -> web.Response:
        if route.kind is RouteKind.TOKEN:
            return await give_token(self.auth, self.tokens, request, time.monotonic())
        decision = self._decide(route, request)
        if decision.access is not Access.GRANTED:
            return self._unauthorized(route, decision.access)
        if self.meter is None or route.kind not in METERED.union(self.meter.budget.kinds):
            return await self._content(route, request)
        charge = self.meter.charge(route.kind, decision.user, time.time())  # noqa: TID251
        if not charge.refused:
            answer = await self._content(route, request)
            answer.headers.update(charge.headers)
            return answer
        if self.meter.budget.bare:
            return web.Response(status=429, text="Too Many Requests", headers=charge.headers)
        return oci_error(429, "TOOMANYREQUESTS", charge.message, charge.headers)

    def _decide(self, route: RegistryRoute, request: web.BaseRequest) -> Decision:
        authorization = request.headers.get("Authorization")
        return decide(self.auth, self.tokens, route, authorization, time.monotonic())

    def _unauthorized(self, route: RegistryRoute, access: Access) -> web.Response:
        expired = access is Access.EXPIRED
        status = self.auth.expired_status if expired else 401
        answer = oci_error(status, "UNAUTHORIZED", "authentication required")
        realm = self.auth.realm or f"{self.url}{self.auth.token_path}"
        for challenge in challenges(self.auth, route, realm, access):
            answer.headers.add("WWW-Authenticate", challenge)
        return answer

    async def _content(self, route: RegistryRoute, request: web.BaseRequest) -> web.Response:
        if route.kind in PUSHES:
            return await self._uploads.write(route, request)
        return read(self.store, route, request, negotiate=self.negotiate, paging=self.tag_paging)


def _note_request(route: RegistryRoute, request: web.BaseRequest) -> SeenRequest:
    return SeenRequest(
        kind=route.kind,
        method=route.method,
        host=request.host,
        path=route.path,
        query=request.query_string,
        repository=route.repository,
        reference=route.reference,
        authorization=request.headers.get("Authorization"),
        accept=accept_of(request),
    )
