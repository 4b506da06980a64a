"""Short-lived tokens: what to ask a token endpoint, and what to make of its answer.

- A password is shown in a GET with Basic; an identity token in a POST (OAuth2). Nothing is shown
  for anonymous access: an empty Basic header would break it.
- The scope is our own, `repository:<name>:pull`, whatever the challenge suggests: GHCR suggests a
  literal `user/image`. Only where a redirect led to a path that names no repository, the
  challenge's is taken, as far as it is of that form.
- `token` and `access_token` mean the same. `expires_in` is 60 s when it is not said.
"""

import re
from datetime import datetime, timedelta
from typing import Any, Final
from urllib.parse import urlencode

import msgspec
from msgspec import Struct

from imagedrift_resolver.core.credential import (
    Credential,
    IdentityToken,
    Password,
    Secret,
    is_bearer,
)
from imagedrift_resolver.core.limits import wait_s
from imagedrift_resolver.core.reply import NoResponse, Reply
from imagedrift_resolver.core.url import Url
from imagedrift_schemas.v1 import Denied, Failure, Invalid, Limited, Unreachable

_SCOPE: Final = re.compile(r"repository:([a-z0-9][a-z0-9._/-]{0,254}):(?:[a-z*]+,){0,4}[a-z*]+")
CLIENT_ID: Final = "imagedrift"
TOKEN_CAP: Final = 64 * 1024
DEFAULT_LIFE_S: Final = 60.0
LONGEST_LIFE_S: Final = 3600.0
MARGIN: Final = 0.2
"""The last part of a token's life in which it is no longer used: clocks differ, requests last."""


class Grant(Struct, frozen=True):
    """The use of a token. Equal grants share one token."""

    realm: Url
    service: str
    scope: str
    credential: str
    """The credential's name: a token got with one is never used for another."""


class Token(Struct, frozen=True):
    """A token and the moment after which it is not used any more."""

    value: Secret
    use_until: datetime
    is_shared: bool = False
    """It was got for another request, and may have ended with that."""


class TokenRequest(Struct, frozen=True):
    """The request to a token endpoint."""

    method: str
    url: Url
    authorization: Secret | None = None
    form: Secret | None = None


def scope_of(repository: str) -> str:
    """Return the scope that reading a repository needs."""
    return f"repository:{repository}:pull"


def pull_scope(text: str) -> str:
    """Return the scope of a challenge as far as it is for reading a repository, or nothing."""
    match = _SCOPE.fullmatch(text)
    return scope_of(match[1]) if match else ""


def request_for(grant: Grant, credential: Credential) -> TokenRequest:
    """Return the request that gets a token for a grant."""
    match credential:
        case IdentityToken(token):
            form = {
                "grant_type": "refresh_token",
                "service": grant.service,
                "scope": grant.scope,
                "client_id": CLIENT_ID,
                "refresh_token": token.reveal(),
            }
            return TokenRequest("POST", grant.realm, form=Secret(urlencode(form)))
        case Password():
            return TokenRequest(
                "GET", _asking(grant, credential.username), Secret(credential.basic())
            )
        case _:
            return TokenRequest("GET", _asking(grant, ""))


def read_token(reply: Reply | NoResponse, now: datetime, *, shown: bool = True) -> Token | Failure:
    """Make a token of the endpoint's answer, or say why there is none.

    `shown` tells whether it was shown a credential, which it may then refuse.
    """
    if isinstance(reply, NoResponse):
        return Unreachable(reason=f"token endpoint: {reply.text}")
    if reply.status != 200:
        return _refused(reply, now, shown)
    try:
        document = msgspec.json.decode(reply.body) if not reply.cut else None
    except (msgspec.DecodeError, RecursionError, ValueError):
        document = None
    if not isinstance(document, dict):
        return Invalid(reason="token endpoint: the answer is no JSON document of up to 64 KiB")
    token = document.get("token") or document.get("access_token")
    if not is_bearer(token):
        return Invalid(reason="token endpoint: the answer has no token that fits into a header")
    life = timedelta(seconds=_life(document.get("expires_in")) * (1 - MARGIN))
    return Token(Secret(str(token)), now + life)


def _refused(reply: Reply, now: datetime, shown: bool) -> Failure:
    status = reply.status
    if status in (400, 401, 403, 404):
        why = "the credential is not accepted, or may not read this repository"
        if not shown:
            why = "configure a credential for the registry, or there is no such repository"
        return Denied(reason=f"token endpoint: answered {status}; {why}")
    if status == 429:
        wait = timedelta(seconds=wait_s(reply, now) or DEFAULT_LIFE_S)
        return Limited(reason="token endpoint: answered 429, too many requests", until=now + wait)
    if 300 <= status < 400:
        return Invalid(reason=f"token endpoint: answered {status}; it may not redirect")
    return Unreachable(reason=f"token endpoint: answered {status}")


def _life(told: Any) -> float:
    """Return how long a token lives, within bounds of our own."""
    try:
        seconds = DEFAULT_LIFE_S if told is None or isinstance(told, bool) else float(told)
    except (TypeError, ValueError, OverflowError):
        seconds = DEFAULT_LIFE_S
    # NaN and everything below a minute are no lifetime: the protocol asks servers for one at least.
    return min(seconds, LONGEST_LIFE_S) if seconds >= DEFAULT_LIFE_S else DEFAULT_LIFE_S


def _asking(grant: Grant, account: str) -> Url:
    query = {"service": grant.service, "scope": grant.scope, "client_id": CLIENT_ID}
    if account:
        query["account"] = account
    if not grant.service:
        del query["service"]
    mark = "&" if "?" in grant.realm.target else "?"
    return msgspec.structs.replace(
        grant.realm, target=f"{grant.realm.target}{mark}{urlencode(query)}"
    )
