"""A provider of OpenID Connect for tests, over HTTP: it keeps to the rules, unless told to lie.

It signs in whom it knows by a link on its page. It takes a code once, for the redirect address and
the PKCE verifier of its request, and only from a client with the right secret.
"""

import asyncio
import hashlib
import hmac
import json
import secrets
import socket
from base64 import b64decode, urlsafe_b64encode
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, Final
from urllib.parse import parse_qs, urlencode

import htpy as h
from joserfc import jws
from joserfc.jwk import RSAKey
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, RedirectResponse, Response
from starlette.routing import Route

from imagedrift_dashboard.adapters import http_server
from imagedrift_runtime.clock import now

CLIENT_ID: Final = "imagedrift"
CLIENT_SECRET: Final = "a secret: with % and +"
USERS: Final = {"ada": ["sre", "all"], "eve": ["interns"], "nil": []}
"""Whom it knows, and the groups of each."""

Claims = dict[str, Any]


def _text(content: bytes) -> str:
    return urlsafe_b64encode(content).rstrip(b"=").decode()


def _joined(header: Claims, claims: Claims) -> str:
    return ".".join(_text(json.dumps(each).encode()) for each in (header, claims))


def _new_key(name: str) -> RSAKey:
    return RSAKey.generate_key(2048, {"kid": name, "use": "sig"})


@dataclass
class Asked:
    """A request for a code, and who signed in for it."""

    parameters: dict[str, str]
    user: str = ""


@dataclass
class OidcProvider:
    """The provider. A test changes its fields to have it lie."""

    url: str
    redirect_uri: str
    key: RSAKey = field(default_factory=lambda: _new_key("first"))
    published: list[RSAKey] = field(default_factory=list)
    """The keys that it tells of."""
    configuration: dict[str, Any] = field(default_factory=dict)
    """What its configuration says otherwise."""
    claims: Claims = field(default_factory=dict)
    """What its ID tokens say otherwise; a claim that is None is left out."""
    sign: Callable[[Claims], str] | None = None
    """How it signs, where not by its key."""
    answer_code: dict[str, str] = field(default_factory=dict)
    """What it sends back with a code, otherwise."""
    configuration_asked: int = 0
    keys_asked: int = 0
    used: set[str] = field(default_factory=set)
    requests: dict[str, Asked] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Publish the first key."""
        self.published = [self.key]

    def rotate(self) -> None:
        """Sign by a new key from now on, and tell of that alone."""
        self.key = _new_key(secrets.token_hex(4))
        self.published = [self.key]

    def signed(self, claims: Claims, key: RSAKey | None = None) -> str:
        """Write an ID token."""
        chosen = key or self.key
        header = {"alg": "RS256", "kid": chosen.kid, "typ": "JWT"}
        return jws.serialize_compact(header, json.dumps(claims), chosen)

    def by_shared_key(self, claims: Claims) -> str:
        """Write an ID token signed by HMAC, with the public key for a secret."""
        content = _joined({"alg": "HS256", "kid": self.key.kid}, claims)
        secret = self.key.as_pem(private=False)
        return f"{content}.{_text(hmac.digest(secret, content.encode(), hashlib.sha256))}"

    def unsigned(self, claims: Claims) -> str:
        """Write an ID token that nobody signed."""
        return _joined({"alg": "none"}, claims) + "."

    def token(self, asked: Asked) -> str:
        """Write the ID token of a request."""
        at = int(now().timestamp())
        claims: Claims = {
            "iss": self.url,
            "sub": f"id-of-{asked.user}",
            "aud": CLIENT_ID,
            "iat": at,
            "exp": at + 300,
            "nonce": asked.parameters["nonce"],
            "preferred_username": asked.user,
            "groups": USERS[asked.user],
        }
        payload = {k: v for k, v in (claims | self.claims).items() if v is not None}
        return (self.sign or self.signed)(payload)

    def application(self) -> Starlette:
        """Return what answers requests."""
        return Starlette(
            routes=[
                Route("/.well-known/openid-configuration", self._configuration),
                Route("/keys", self._keys),
                Route("/authorize", self._authorize),
                Route("/login", self._login),
                Route("/token", self._token, methods=["POST"]),
                Route("/sign-out", self._signed_out),
            ]
        )

    async def _configuration(self, _request: Request) -> Response:
        self.configuration_asked += 1
        configuration = {
            "issuer": self.url,
            "authorization_endpoint": f"{self.url}/authorize",
            "token_endpoint": f"{self.url}/token",
            "jwks_uri": f"{self.url}/keys",
            "end_session_endpoint": f"{self.url}/sign-out",
            "code_challenge_methods_supported": ["S256"],
            "authorization_response_iss_parameter_supported": True,
        }
        return JSONResponse(configuration | self.configuration)

    async def _keys(self, _request: Request) -> Response:
        self.keys_asked += 1
        return JSONResponse({"keys": [each.as_dict(private=False) for each in self.published]})

    async def _authorize(self, request: Request) -> Response:
        asked = dict(request.query_params)
        assert len(asked) == len(request.query_params.multi_items())
        fits = (
            asked["client_id"] == CLIENT_ID
            and asked["redirect_uri"] == self.redirect_uri
            and asked["response_type"] == "code"
            and "openid" in asked["scope"].split()
            and asked["code_challenge_method"] == "S256"
        )
        if not fits:
            return JSONResponse({"error": "invalid_request"}, 400)
        name = secrets.token_urlsafe(8)
        self.requests[name] = Asked(asked)
        links = (h.li[h.a(href=f"/login?request={name}&user={user}")[user]] for user in USERS)
        page = h.html(lang="en")[h.title["Provider"], h.h1["Sign in as"], h.ul[links]]
        return HTMLResponse(str(page))

    async def _login(self, request: Request) -> Response:
        code = request.query_params["request"]
        asked = self.requests[code]
        asked.user = request.query_params["user"]
        answer = {"code": code, "state": asked.parameters["state"], "iss": self.url}
        return RedirectResponse(f"{self.redirect_uri}?{urlencode(answer | self.answer_code)}", 303)

    async def _token(self, request: Request) -> Response:
        form = {k: v[0] for k, v in parse_qs((await request.body()).decode()).items()}
        kind, _, pair = request.headers.get("authorization", "").partition(" ")
        login = parse_qs(f"login={b64decode(pair).decode()}").get("login", [""])[0]
        if kind != "Basic" or login != f"{CLIENT_ID}:{CLIENT_SECRET}":
            return JSONResponse({"error": "invalid_client"}, 401)
        asked = self.requests.get(form["code"])
        proof = hashlib.sha256(form["code_verifier"].encode()).digest()
        fits = (
            asked is not None
            and form["code"] not in self.used
            and form["redirect_uri"] == asked.parameters["redirect_uri"]
            and _text(proof) == asked.parameters["code_challenge"]
        )
        if asked is None or not fits:
            return JSONResponse({"error": "invalid_grant"}, 400)
        self.used.add(form["code"])
        token = self.token(asked)
        return JSONResponse({"access_token": "unused", "token_type": "Bearer", "id_token": token})

    async def _signed_out(self, _request: Request) -> Response:
        return HTMLResponse("<h1>Signed out at the provider</h1>")


@asynccontextmanager
async def oidc_provider(pages_url: str) -> AsyncIterator[OidcProvider]:
    """Run a provider for the length of the context, whose client are these pages."""
    stopping = asyncio.Event()
    with socket.create_server(("127.0.0.1", 0)) as listening:
        url = f"http://127.0.0.1:{listening.getsockname()[1]}"
        provider = OidcProvider(url, f"{pages_url}/sign-in/callback")
        serving = asyncio.ensure_future(
            http_server.serve(provider.application(), listening, stopping)
        )
        try:
            yield provider
        finally:
            stopping.set()
            await serving
