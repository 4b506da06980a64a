"""Docker's `config.json`: which credential it holds for a registry, or which program has it.

    {"auths":       {"ghcr.io": {"auth": base64("user:password")}
                     "r.example": {"identitytoken": "…"}},
     "credHelpers": {"123.dkr.ecr.eu-west-1.amazonaws.com": "ecr-login"},
     "credsStore":  "secretservice"}

- A helper for the registry goes before the store for all, and that before what is written down.
- Docker Hub is `https://index.docker.io/v1/`. Other keys may be urls; their host counts.
- `auth` splits at its first colon, and may end in NUL bytes. `{}` marks what the store holds.
"""

import base64
import binascii
from typing import Any, Final

import msgspec
from msgspec import Struct

from imagedrift_resolver.core.credential import (
    Credential,
    IdentityToken,
    Password,
    RegistryToken,
    Secret,
    is_bearer,
    password_fault,
)
from imagedrift_schemas.reference import DOCKER_HUB

HUB_KEY: Final = "https://index.docker.io/v1/"
_TOKEN_USER: Final = "<token>"  # noqa: S105 - a marker of the helpers' protocol
_HELPER_NAME: Final = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-")


class Helper(Struct, frozen=True):
    """A program that has the credential: `docker-credential-<suffix>`, asked about `server`."""

    suffix: str
    server: str
    required: bool
    """It was named for this very registry; the store for all may lack it."""


class Fault(Struct, frozen=True):
    """What is configured cannot be used; the reason never holds a secret."""

    reason: str


class DockerConfig(Struct, frozen=True):
    """The parts of the file that are about credentials, as they were written."""

    auths: dict[str, Any] = {}
    helpers: dict[str, str] = {}
    store: str = ""


def parse_config(text: bytes) -> DockerConfig | Fault:
    """Read the file's content."""
    try:
        document = msgspec.json.decode(text, type=dict[str, Any])
        return DockerConfig(
            msgspec.convert(document.get("auths") or {}, dict[str, Any]),
            msgspec.convert(document.get("credHelpers") or {}, dict[str, str]),
            msgspec.convert(document.get("credsStore") or "", str),
        )
    except (msgspec.DecodeError, ValueError, RecursionError):
        return Fault("is no configuration of Docker's")


def look_up(config: DockerConfig, registry: str) -> Credential | Helper | Fault | None:
    """Return what the configuration holds for a registry; None when it holds nothing."""
    server = HUB_KEY if registry == DOCKER_HUB else registry
    suffix = _matching(config.helpers, registry)
    if suffix:
        return _helper(suffix, server, required=True)
    entry = _matching(config.auths, registry)
    if config.store and not (isinstance(entry, dict) and len(entry) > 0):
        return _helper(config.store, server, required=False)
    return _written(entry) if isinstance(entry, dict) and entry else None


def read_helper(output: bytes) -> Credential | Fault | None:
    """Read what a helper printed. None when it has nothing for this registry."""
    try:
        told = msgspec.json.decode(output, type=dict[str, Any])
    except (msgspec.DecodeError, ValueError, RecursionError):
        return Fault("printed no JSON document")
    return _pair(told.get("Username"), told.get("Secret"))


def _pair(username: Any, secret: Any) -> Credential | Fault | None:
    if not isinstance(username, str) or not isinstance(secret, str):
        return Fault("gave no user name and secret")
    if not username and not secret:
        return None
    if username == _TOKEN_USER:
        return IdentityToken(Secret(secret)) if secret else None
    fault = password_fault(username, secret)
    return Fault(fault) if fault else Password(username, Secret(secret))


def _written(entry: dict[str, Any]) -> Credential | Fault | None:
    identity, bearer = entry.get("identitytoken"), entry.get("registrytoken")
    if isinstance(identity, str) and identity:
        return IdentityToken(Secret(identity))
    if is_bearer(bearer):
        return RegistryToken(Secret(str(bearer)))
    if "auth" not in entry:
        return _pair(entry.get("username", ""), entry.get("password", ""))
    try:
        text = base64.b64decode(str(entry["auth"]), validate=True).decode().rstrip("\0")
    except (binascii.Error, ValueError):
        return Fault("has an auth that is not base64")
    username, colon, password = text.partition(":")
    return _pair(username, password) if colon else Fault("has an auth without a colon")


def _helper(suffix: str, server: str, *, required: bool) -> Helper | Fault:
    if not _HELPER_NAME.issuperset(suffix):
        return Fault("names a credential helper with a character that no program's name has")
    return Helper(suffix, server, required)


def _matching(entries: dict[str, Any], registry: str) -> Any:
    """Return the entry for a registry: under its own name first, else under a url of its host."""
    names = {registry, HUB_KEY, "index.docker.io"} if registry == DOCKER_HUB else {registry}
    for name in sorted(names, key=lambda n: n != HUB_KEY):
        if name in entries:
            return entries[name]
    return next((entries[key] for key in sorted(entries) if _host(key) in names), None)


def _host(key: str) -> str:
    return key.removeprefix("https://").removeprefix("http://").partition("/")[0].lower()
