"""The rules of every response: it goes to viewers alone, with headers that keep it to itself."""

from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any, Final

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import HTMLResponse

from imagedrift_dashboard.core.access import AccessRules
from imagedrift_dashboard.core.page_fault import PageFault
from imagedrift_dashboard.markup import layout

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
SendMessage = Callable[[Message], Awaitable[None]]
Application = Callable[[Message, Receive, SendMessage], Awaitable[None]]

HEADERS: Final = {
    "content-security-policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self';"
        " connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
    ),
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
}


class Guard:
    """Answers nobody who may not read, and puts the headers on every response."""

    def __init__(self, application: Application, rules: AccessRules) -> None:
        self._application = application
        self._rules = rules

    async def __call__(self, scope: Message, receive: Receive, send: SendMessage) -> None:
        """Handle one connection."""
        if scope["type"] != "http":
            await self._application(scope, receive, send)
            return

        async def send_guarded(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                headers.update(HEADERS)
                headers.setdefault("cache-control", "no-store")
            await send(message)

        peer, _ = scope.get("client") or ("", 0)
        try:
            headers = self._rules.headers(Headers(scope=scope).items())
            self._rules.refuse_other_sites(headers)
            viewer = self._rules.viewer(peer, headers)
        except PageFault as fault:
            response = HTMLResponse(str(layout.fault(fault)), fault.status)
            await response(scope, receive, send_guarded)
            return
        scope.setdefault("state", {})["viewer"] = viewer
        await self._application(scope, receive, send_guarded)
