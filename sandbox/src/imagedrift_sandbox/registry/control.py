"""The registry's own switchboard, `/_sandbox/…`, for when it runs as a process of its own.

    GET    /_sandbox/counts      Totals
    GET    /_sandbox/requests    the newest requests, whole
    GET    /_sandbox/faults      by number          POST    /_sandbox/faults   Fault → {"id": n}
    DELETE /_sandbox/faults      all                DELETE  /_sandbox/faults/n one
    PUT    /_sandbox/auth        Auth               PUT     /_sandbox/budget   Budget or null
    PUT    /_sandbox/tag-paging  TagPaging       POST    /_sandbox/tokens/expire
    POST   /_sandbox/images      [Image, …] → [Pushed, …]

It is no part of the registry's API, is not counted, and knows no credentials: loopback only.
"""

from typing import TYPE_CHECKING

import msgspec
from aiohttp import web

from imagedrift_sandbox.registry.auth import Auth
from imagedrift_sandbox.registry.budgets import Budget
from imagedrift_sandbox.registry.faults import Fault
from imagedrift_sandbox.registry.images import Shape
from imagedrift_sandbox.registry.replies import json_reply, oci_error
from imagedrift_sandbox.registry.tag_pages import TagPaging

if TYPE_CHECKING:
    from imagedrift_sandbox.registry.server import SandboxRegistry

CONTROL = "/_sandbox/"


class SyntheticImage(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A synthetic image to push."""

    repository: str
    tag: str = "latest"
    platforms: tuple[str, ...] = ("linux/amd64",)
    seed: int = 0
    shape: Shape = Shape.MANIFEST


class Control:
    """Answers the requests of the control path."""

    def __init__(self, registry: "SandboxRegistry") -> None:
        self._registry = registry

    async def answer(self, request: web.BaseRequest) -> web.Response:
        """Answer one control request."""
        what, _, which = request.rel_url.path.removeprefix(CONTROL).partition("/")
        body = b"".join([chunk async for chunk in request.content.iter_any()])
        try:
            return json_reply(self._do(request.method, what, which, body))
        except (msgspec.DecodeError, ValueError) as error:
            return oci_error(400, "CONTROL_INVALID", str(error))
        except LookupError:
            return oci_error(404, "CONTROL_UNKNOWN", f"{request.method} {request.path}")

    def _do(self, method: str, what: str, which: str, body: bytes) -> object:
        match method, what:
            case _, "faults":
                return self._faults(method, which, body)
            case "GET", "counts":
                return self._registry.totals()
            case "GET", "requests":
                return list(self._registry.counts.requests)
            case "POST", "images":
                return self._push(msgspec.json.decode(body, type=list[SyntheticImage]))
            case _:
                return self._rules(method, what, which, body)

    def _rules(self, method: str, what: str, which: str, body: bytes) -> object:
        match method, what, which:
            case "PUT", "auth", "":
                self._registry.auth = msgspec.json.decode(body, type=Auth)
            case "PUT", "budget", "":
                self._registry.limit(msgspec.json.decode(body, type=Budget | None))
            case "PUT", "tag-paging", "":
                self._registry.tag_paging = msgspec.json.decode(body, type=TagPaging)
            case "POST", "tokens", "expire":
                self._registry.tokens.expire_all()
            case _:
                raise LookupError(what)
        return None

    def _faults(self, method: str, which: str, body: bytes) -> object:
        faults = self._registry.faults
        match method, which:
            case "GET", "":
                return {str(number): fault for number, fault in faults.all().items()}
            case "POST", "":
                return {"id": faults.add(msgspec.json.decode(body, type=Fault))}
            case "DELETE", "":
                faults.clear()
                return None
            case "DELETE", number if faults.remove(int(number)):
                return None
            case _:
                raise LookupError(which)

    def _push(self, images: list[SyntheticImage]) -> object:
        return [
            self._registry.push_image(
                image.repository,
                image.tag,
                platforms=image.platforms,
                seed=image.seed,
                shape=image.shape,
            )
            for image in images
        ]
