"""Faults, chosen per request, each with its change of an answer on its way out.

A fault says which requests it strikes, when it starts and ends, and what it does. All faults
that strike one request act together; where two say different things the later one wins.
"""

import asyncio
from fnmatch import fnmatchcase

import msgspec
from aiohttp import web
from multidict import CIMultiDict

from imagedrift_sandbox.registry.routes import RegistryRoute, RouteKind

ENDLESS_CHUNK = b"\n" * 65_536
FRAMING = ("Content-Length", "Transfer-Encoding")


class Fault(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One way to misbehave. Names are matched by shell patterns."""

    kinds: tuple[RouteKind, ...] = ()
    """Empty: every kind."""
    host: str = "*"
    path: str = "*"
    repository: str = "*"
    reference: str = "*"
    credentials: bool | None = None
    """Only requests with (True) or without (False) an Authorization header."""
    after: int = 0
    """How many matching requests pass first."""
    times: int | None = None
    """How many are struck after those; None: all."""

    latency_s: float = 0.0
    status: int | None = None
    headers: dict[str, str] = {}
    """Added to the answer, or put in place of its own."""
    omit: tuple[str, ...] = ()
    """Headers that the answer lacks."""
    body: str | None = None
    content_type: str | None = None
    redirect: str | None = None
    """Base url of another host: a redirect (307, or `status`) to the same path there."""
    truncate: int | None = None
    """The connection closes after so many bytes of the body."""
    drip_s: float | None = None
    """The body comes byte by byte, one in so many seconds."""
    endless: bool = False
    """The body never ends."""
    hang: bool = False
    """Nothing is ever answered."""
    drop: bool = False
    """The connection closes without an answer."""

    def matches(self, route: RegistryRoute, host: str, *, credentials: bool = False) -> bool:
        """Whether it is about this request."""
        return self.credentials in (None, credentials) and (
            (not self.kinds or route.kind in self.kinds)
            and _match(host, self.host)
            and _match(route.path, self.path)
            and _match(route.repository, self.repository)
            and _match(route.reference, self.reference)
        )


HTML = "<html><head><title>Sorry</title></head><body><h1>We will be back soon</h1></body></html>"


def html_page(status: int = 200, kinds: tuple[RouteKind, ...] = ()) -> Fault:
    """A proxy's error page where a registry should answer."""
    return Fault(kinds=kinds, status=status, body=HTML, content_type="text/html; charset=utf-8")


def no_digest_header(repository: str = "*") -> Fault:
    """Answers without Docker-Content-Digest."""
    return Fault(
        kinds=(RouteKind.MANIFEST_HEAD, RouteKind.MANIFEST_GET),
        repository=repository,
        omit=("Docker-Content-Digest", "ETag"),
    )


def latency(seconds: float) -> Fault:
    """Every answer comes that much later."""
    return Fault(latency_s=seconds)


class Faults:
    """The faults that are set now."""

    def __init__(self) -> None:
        self._set: dict[int, Fault] = {}
        self._matched: dict[int, int] = {}
        self._next = 1

    def add(self, fault: Fault) -> int:
        """Set a fault; the number returned removes it."""
        number, self._next = self._next, self._next + 1
        self._set[number], self._matched[number] = fault, 0
        return number

    def remove(self, number: int) -> bool:
        """Remove one; False when it was not set."""
        self._matched.pop(number, None)
        return self._set.pop(number, None) is not None

    def clear(self) -> None:
        """Behave."""
        self._set.clear()
        self._matched.clear()

    def all(self) -> dict[int, Fault]:
        """The faults set, by number."""
        return dict(self._set)

    def strike(self, route: RegistryRoute, host: str, *, credentials: bool = False) -> Fault | None:
        """Decide about this request: all its faults in one, or nothing. Counts the match."""
        struck: Fault | None = None
        for number, fault in self._set.items():
            if not fault.matches(route, host, credentials=credentials):
                continue
            seen = self._matched[number]
            self._matched[number] = seen + 1
            if seen >= fault.after and (fault.times is None or seen < fault.after + fault.times):
                struck = fault if struck is None else _both(struck, fault)
        return struck


def replacement(fault: Fault, path_and_query: str) -> web.Response | None:
    """The answer that a fault gives in place of the registry's, if it does."""
    if fault.redirect is not None:
        where = fault.redirect.rstrip("/") + path_and_query
        return web.Response(status=fault.status or 307, headers={"Location": where})
    if fault.status is None and fault.body is None:
        return None
    body = fault.body
    content_type = fault.content_type or "application/json"
    if body is None:
        code = {429: "TOOMANYREQUESTS", 401: "UNAUTHORIZED", 403: "DENIED"}.get(
            fault.status or 0, "UNAVAILABLE"
        )
        body = f'{{"errors":[{{"code":"{code}","message":"injected fault"}}]}}'
    headers = {"Content-Type": content_type} if body else {}
    return web.Response(status=fault.status or 200, body=body.encode(), headers=headers)


def reheaded(fault: Fault, response: web.Response) -> web.Response:
    """The same answer with the fault's headers."""
    for name in fault.omit:
        response.headers.popall(name, None)
    for name, value in fault.headers.items():
        response.headers[name] = value
    if fault.content_type is not None:
        response.headers["Content-Type"] = fault.content_type
    return response


def is_slow(fault: Fault) -> bool:
    """Whether the body has to be sent piece by piece."""
    return fault.endless or fault.truncate is not None or fault.drip_s is not None


async def send_badly(
    fault: Fault, request: web.BaseRequest, whole: web.Response
) -> web.StreamResponse:
    """Send the body cut short, drop by drop, or without end."""
    body = whole.body if isinstance(whole.body, bytes) else b""
    headers = CIMultiDict(whole.headers)
    for name in FRAMING:
        headers.popall(name, None)
    answer = web.StreamResponse(status=whole.status, headers=headers)
    if not fault.endless:
        answer.content_length = len(body)
    await answer.prepare(request)
    if fault.endless:
        while True:
            await answer.write(ENDLESS_CHUNK)
    if fault.truncate is not None:
        await answer.write(body[: fault.truncate])
        cut(request)
        return answer
    for position in range(len(body)):
        await answer.write(body[position : position + 1])
        await asyncio.sleep(fault.drip_s or 0)
    await answer.write_eof()
    return answer


def cut(request: web.BaseRequest) -> None:
    """Close the connection after the bytes that were written so far."""
    if request.transport is not None:
        request.transport.close()


def _both(first: Fault, second: Fault) -> Fault:
    """The later fault's effects over the earlier one's; latencies add up, headers gather."""
    changes = {
        name: value for name in EFFECTS if (value := getattr(second, name)) != _DEFAULTS[name]
    }
    return msgspec.structs.replace(
        first,
        **changes
        | {
            "latency_s": first.latency_s + second.latency_s,
            "headers": first.headers | second.headers,
            "omit": first.omit + second.omit,
        },
    )


def _match(value: str, pattern: str) -> bool:
    return pattern == "*" or fnmatchcase(value, pattern)


EFFECTS = (
    *("status", "body", "content_type", "redirect"),
    *("truncate", "drip_s", "endless", "hang", "drop"),
)
_DEFAULTS = {name: getattr(Fault(), name) for name in EFFECTS}
