"""Access control: Basic, and Bearer tokens from a token endpoint.

Pure: requests' headers and the time go in, a decision comes out. Tokens are random and kept;
two registries that share one `IssuedTokens` accept each other's, which is how a token endpoint on
another host is played.
"""

import base64
import binascii
import secrets
from dataclasses import dataclass, field
from enum import StrEnum
from fnmatch import fnmatchcase

import msgspec

from imagedrift_sandbox.registry.routes import RegistryRoute, RouteKind


class Scheme(StrEnum):
    """The kind of credential that the registry asks for."""

    NONE = "none"
    BASIC = "basic"
    BEARER = "bearer"


class Auth(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A registry's rules."""

    scheme: Scheme = Scheme.NONE
    realm: str = ""
    """Where tokens are given; empty: here, at `token_path`."""
    token_path: str = "/token"  # noqa: S105
    service: str = "sandbox"
    users: dict[str, str] = {}
    """Passwords by name. A user may pull and push everything."""
    identity_tokens: dict[str, str] = {}
    """Names by identity token, for POST with grant_type=refresh_token."""
    private: tuple[str, ...] = ()
    """Repositories (patterns) that anonymous tokens do not open; the others are open to pull."""
    expires_in: int | None = 300
    """The lifetime in the token answer; None: it has none."""
    lifetime_s: float = 300.0
    """How long a token is really accepted."""
    token_field: str = "token"  # noqa: S105
    """`token`, `access_token`, or `both`."""
    expired_status: int = 401
    """ECR Public answers 400 to a token that has expired."""
    refused_status: int = 401
    """The status of the token endpoint for wrong credentials; GHCR: 403."""
    challenges: tuple[str, ...] = ()
    """WWW-Authenticate headers as they are, with {realm}, {service} and {scope} filled in."""


class Access(StrEnum):
    """The outcome of checking a request's credentials."""

    GRANTED = "granted"
    CHALLENGE = "challenge"
    EXPIRED = "expired"
    INSUFFICIENT = "insufficient"


@dataclass(frozen=True, slots=True)
class Decision:
    """Whether a request may go on, and as whom."""

    access: Access
    user: str = ""


@dataclass(frozen=True, slots=True)
class TokenGrant:
    """The rights of a token."""

    user: str
    scopes: frozenset[tuple[str, str]]
    expires_at: float


@dataclass
class IssuedTokens:
    """The tokens given out."""

    grants: dict[str, TokenGrant] = field(default_factory=dict)

    def give(self, auth: Auth, user: str, scopes: list[str], now: float) -> str:
        """Make a token for as much of the scopes as this user may have."""
        allowed = frozenset(
            (name, action)
            for name, actions in map(_scope, scopes)
            for action in actions
            if user or (action == "pull" and not _is_private(auth, name))
        )
        token = secrets.token_urlsafe(24)
        self.grants[token] = TokenGrant(user, allowed, now + auth.lifetime_s)
        return token

    def expire_all(self) -> None:
        """Let every token given so far be past its time."""
        self.grants = {
            token: TokenGrant(grant.user, grant.scopes, float("-inf"))
            for token, grant in self.grants.items()
        }


def decide(
    auth: Auth, tokens: IssuedTokens, route: RegistryRoute, authorization: str | None, now: float
) -> Decision:
    """Whether a request with this Authorization header may go on."""
    if auth.scheme is Scheme.NONE:
        return Decision(Access.GRANTED)
    kind, _, value = (authorization or "").partition(" ")
    if auth.scheme is Scheme.BASIC:
        user = user_of(auth, value) if kind.lower() == "basic" else None
        return Decision(Access.CHALLENGE) if user is None else Decision(Access.GRANTED, user)
    grant = tokens.grants.get(value) if kind.lower() == "bearer" else None
    if grant is None:
        return Decision(Access.CHALLENGE)
    if now >= grant.expires_at:
        return Decision(Access.EXPIRED)
    if route.kind in (RouteKind.PING, RouteKind.CATALOG):
        return Decision(Access.GRANTED, grant.user)
    enough = (route.repository, route.action) in grant.scopes
    return Decision(Access.GRANTED if enough else Access.INSUFFICIENT, grant.user)


def user_of(auth: Auth, basic: str) -> str | None:
    """The user behind Basic credentials, or None when they are wrong."""
    try:
        name, _, password = base64.b64decode(basic, validate=True).decode().partition(":")
    except (binascii.Error, UnicodeDecodeError):
        return None
    return name if name in auth.users and auth.users[name] == password else None


def challenges(auth: Auth, route: RegistryRoute, realm: str, access: Access) -> list[str]:
    """The WWW-Authenticate headers of a 401."""
    actions = "pull,push" if route.action == "push" else "pull"
    scope = f"repository:{route.repository}:{actions}" if route.repository else ""
    if auth.challenges:
        return [
            each.format(realm=realm, service=auth.service, scope=scope) for each in auth.challenges
        ]
    if auth.scheme is Scheme.BASIC:
        return [f'Basic realm="{auth.service}"']
    fields = [f'realm="{realm}"', f'service="{auth.service}"']
    fields += [f'scope="{scope}"'] if scope else []
    fields += ['error="insufficient_scope"'] if access is Access.INSUFFICIENT else []
    fields += ['error="invalid_token"'] if access is Access.EXPIRED else []
    return [f"Bearer {','.join(fields)}"]


def _scope(text: str) -> tuple[str, list[str]]:
    """`repository:a/b:pull,push` → name and actions; other types open nothing."""
    kind, _, rest = text.partition(":")
    name, _, actions = rest.rpartition(":")
    return (name, actions.split(",")) if kind == "repository" else ("", [])


def _is_private(auth: Auth, repository: str) -> bool:
    return any(fnmatchcase(repository, pattern) for pattern in auth.private)
