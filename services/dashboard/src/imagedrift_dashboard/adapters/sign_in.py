"""Signing in at a provider of OpenID Connect, and signing out: four addresses.

| address             | does                                                                  |
|---------------------|-----------------------------------------------------------------------|
| `/sign-in`          | remembers the page that was asked for, and leads to the provider      |
| `/sign-in/callback` | takes the provider's code, and begins a session                       |
| `/sign-out`         | ends the session (a form with its token), and every copy of its cookie |
| `/signed-out`       | says so, and offers to sign in again, or to sign out at the provider  |
"""

import secrets
from typing import Final

from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response
from starlette.routing import Route

from imagedrift_dashboard.adapters.changes import ChangeFeed
from imagedrift_dashboard.adapters.forms import FormReader
from imagedrift_dashboard.adapters.oidc_client import OidcClient
from imagedrift_dashboard.core import provider as providers
from imagedrift_dashboard.core.access import Viewer
from imagedrift_dashboard.core.page_fault import PageFault
from imagedrift_dashboard.core.provider import CALLBACK
from imagedrift_dashboard.core.sessions import COOKIE, SIGN_IN_COOKIE, SIGN_IN_WITHIN, Sessions
from imagedrift_dashboard.markup import layout
from imagedrift_runtime.clock import Clock
from imagedrift_runtime.logs import get_logger

log = get_logger()

SIGNED_OUT: Final = "/signed-out"


class SignInPages:
    """The addresses of the sign-in."""

    def __init__(
        self,
        oidc: OidcClient,
        sessions: Sessions,
        forms: FormReader,
        feed: ChangeFeed,
        clock: Clock,
    ) -> None:
        self._oidc = oidc
        self._sessions = sessions
        self._forms = forms
        self._feed = feed
        self._clock = clock
        self.routes = [
            Route("/sign-in", self._begin),
            Route(CALLBACK, self._finish),
            Route("/sign-out", self._sign_out, methods=["POST"]),
            Route(SIGNED_OUT, self._signed_out),
        ]

    async def _begin(self, request: Request) -> Response:
        provider = await self._oidc.provider()
        new_id = secrets.token_urlsafe(24)
        url = providers.authorization_url(
            self._oidc.client,
            provider,
            state=new_id,
            nonce=self._sessions.nonce(new_id),
            verifier=self._sessions.verifier(new_id),
        )
        to = request.query_params.get("to", "/")
        response = RedirectResponse(url, 303)
        cookie = self._sessions.begin_sign_in(new_id, to, self._clock.now())
        _set_cookie(response, SIGN_IN_COOKIE, cookie, int(SIGN_IN_WITHIN.total_seconds()))
        return response

    async def _finish(self, request: Request) -> Response:
        """Begin a session. Its sign-in counts once: whatever comes of it, its cookie goes."""
        try:
            response = await self._finished(request)
        except PageFault as fault:
            response = HTMLResponse(str(layout.fault(fault)), fault.status)
        _set_cookie(response, SIGN_IN_COOKIE, "", 0)
        return response

    async def _finished(self, request: Request) -> Response:
        pairs = request.query_params.multi_items()
        cookie, state = request.cookies.get(SIGN_IN_COOKIE, ""), dict(pairs).get("state", "")
        sign_in = self._sessions.sign_in(cookie, state, self._clock.now())
        if sign_in is None:
            advice = "It has to end in the browser and tab where it began, within 10 minutes."
            raise PageFault(400, "this sign-in was not begun here", advice)
        code = providers.read_callback(pairs, await self._oidc.provider())
        identity = await self._oidc.identity(
            code, self._sessions.verifier(sign_in.id), self._sessions.nonce(sign_in.id)
        )
        if not (role := self._sessions.role_of(identity.groups)):
            log.warning("sign_in.without_group", user=identity.name, groups=len(identity.groups))
            advice = "IMAGEDRIFT_DASHBOARD_ROLES names the groups that may read."
            raise PageFault(403, f"the user {identity.name} is in no group that may read", advice)
        self._end_session(request)  # that of before, if there is one
        response = RedirectResponse(sign_in.to, 303)
        session_id = secrets.token_urlsafe(24)
        begun = self._sessions.begin(session_id, identity.name, role, self._clock.now())
        _set_cookie(response, COOKIE, begun, self._sessions.seconds)
        log.info("session.begun", user=identity.name, role=role)
        return response

    async def _sign_out(self, request: Request) -> Response:
        await self._forms.read(request)
        self._end_session(request)
        response = RedirectResponse(SIGNED_OUT, 303)
        _set_cookie(response, COOKIE, "", 0)
        return response

    def _end_session(self, request: Request) -> None:
        viewer = self._sessions.viewer(request.cookies.get(COOKIE, ""), self._clock.now())
        if viewer and viewer.session:
            self._sessions.end(viewer.session, self._clock.now())
            self._feed.wake()
            log.info("session.ended", user=viewer.name)

    async def _signed_out(self, request: Request) -> Response:
        viewer: Viewer = request.state.viewer
        if viewer.session:
            return RedirectResponse("/", 303)
        try:
            elsewhere = providers.end_session_url(self._oidc.client, await self._oidc.provider())
        except PageFault:  # signed out it is, whether or not the provider can be asked
            elsewhere = ""
        return HTMLResponse(str(layout.signed_out(elsewhere)))


def _set_cookie(response: Response, name: str, value: str, seconds: int) -> None:
    """Set a cookie for this host, for requests over TLS, and out of reach of scripts.

    `lax`: a link from elsewhere leads into the session, and the provider's redirect into the
    sign-in; a form of elsewhere does not.
    """
    response.set_cookie(
        name, value, max_age=seconds, path="/", secure=True, httponly=True, samesite="lax"
    )
