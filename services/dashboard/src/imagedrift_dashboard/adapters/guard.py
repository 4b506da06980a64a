"""The rules of every response: it goes to viewers alone, with headers that keep it to itself.

Where viewers sign in here, a page without a session leads to the sign-in. What a page asks for in
the background is refused instead: it could not show the sign-in.
"""

from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from typing import Any, Final

from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import cookie_parser
from starlette.responses import HTMLResponse, RedirectResponse, Response

from imagedrift_dashboard.core.access import AccessRules, Viewer
from imagedrift_dashboard.core.location import url_of
from imagedrift_dashboard.core.page_fault import PageFault
from imagedrift_dashboard.core.sessions import COOKIE, Sessions
from imagedrift_dashboard.markup import layout
from imagedrift_runtime.clock import Clock

AsgiMessage = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[AsgiMessage]]
SendMessage = Callable[[AsgiMessage], Awaitable[None]]
AsgiApplication = Callable[[AsgiMessage, Receive, SendMessage], Awaitable[None]]

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
SIGN_IN: Final = "/sign-in"
_OPEN: Final = (SIGN_IN, "/signed-out", "/assets/")
"""The paths that need no session, or begin so."""


class Guard:
    """Answers readers alone, and puts the headers on every response."""

    def __init__(
        self,
        application: AsgiApplication,
        rules: AccessRules,
        sessions: Sessions | None,
        clock: Clock,
    ) -> None:
        self._application = application
        self._rules = rules
        self._sessions = sessions
        self._clock = clock

    async def __call__(self, scope: AsgiMessage, receive: Receive, send: SendMessage) -> None:
        """Handle one connection."""
        if scope["type"] != "http":
            await self._application(scope, receive, send)
            return

        async def send_guarded(message: AsgiMessage) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                headers.update(HEADERS)
                headers.setdefault("cache-control", "no-store")
            await send(message)

        try:
            headers = self._rules.headers(Headers(scope=scope).items())
            self._rules.refuse_other_sites(headers, scope["method"])
            viewer = self._viewer(scope, headers)
        except PageFault as fault:
            response: Response = HTMLResponse(str(layout.fault(fault)), fault.status)
            await response(scope, receive, send_guarded)
            return
        if viewer is None:
            response = _to_sign_in(scope, headers)
            await response(scope, receive, send_guarded)
            return
        scope.setdefault("state", {})["viewer"] = viewer
        await self._application(scope, receive, send_guarded)

    def _viewer(self, scope: AsgiMessage, headers: Mapping[str, str]) -> Viewer | None:
        """Return a request's viewer; None where that person has to sign in. Raises `PageFault`."""
        if self._sessions is None:
            peer, _ = scope.get("client") or ("", 0)
            return self._rules.viewer(peer, headers)
        cookie = cookie_parser(headers.get("cookie", "")).get(COOKIE, "")
        viewer = self._sessions.viewer(cookie, self._clock.now())
        return Viewer() if viewer is None and scope["path"].startswith(_OPEN) else viewer


def _to_sign_in(scope: AsgiMessage, headers: Mapping[str, str]) -> Response:
    mode = headers.get("sec-fetch-mode")
    is_page = mode == "navigate" if mode else "text/html" in headers.get("accept", "")
    if scope["method"] == "GET" and is_page:
        written = scope["raw_path"] + b"?" + scope["query_string"]
        return RedirectResponse(url_of(SIGN_IN, to=written.decode("latin-1").rstrip("?")), 303)
    fault = PageFault(401, "nobody is signed in", "Open the page anew, and sign in.")
    return HTMLResponse(str(layout.fault(fault)), fault.status)
