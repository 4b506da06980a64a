"""One entry of `auths`, and the answer of a helper: the credential in it, nothing, or a fault.

- `identitytoken` goes before `registrytoken`, and that before `auth` or a name and password.
- `auth` is base64 of `user:password`, split at the first colon. Line breaks in the base64 and NUL
  bytes at the end of the password are passed over, as Docker does.
- What is absent, null or empty says nothing. A fault repeats no value: it may be a secret.
"""

import base64
import binascii
from collections.abc import Mapping
from typing import Any, Final

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
from imagedrift_resolver.core.json_object import NotAnObject, field, kind_of, read_object
from imagedrift_resolver.core.reply import shown

_TOKEN_USER: Final = "<token>"  # noqa: S105 - a marker of the helpers' protocol
_FIELDS: Final = ("identitytoken", "registrytoken", "auth", "username", "password")


class EntryFault(Struct, frozen=True):
    """A configured credential cannot be used; the reason never holds a secret."""

    reason: str
    own: bool = True
    """It was configured for the registry that is asked for, and not for any."""


def read_entry(key: str, value: Any) -> Credential | EntryFault | None:
    """Read an entry of `auths`; None when it says nothing."""
    path = f'auths."{shown(key)}"'
    if value is None:
        return None
    if not isinstance(value, dict):
        return EntryFault(f"{path}: is {kind_of(value)}, not an object")
    told: dict[str, str] = {}
    for name in _FIELDS:
        text = field(value, name)
        if text is not None and not isinstance(text, str):
            return EntryFault(f"{path}.{name}: is {kind_of(text)}, not a text")
        told[name] = text or ""
    return _credential(path, told)


def read_helper(output: bytes) -> Credential | EntryFault | None:
    """Read the output of a helper. None when it has nothing for this registry."""
    try:
        told = read_object(output)
    except NotAnObject:
        return EntryFault("printed no JSON document")
    username, secret = field(told, "Username"), field(told, "Secret")
    if not isinstance(username, str) or not isinstance(secret, str):
        return EntryFault("gave no user name and secret")
    return _pair(username, secret)


def _credential(path: str, told: Mapping[str, str]) -> Credential | EntryFault | None:
    if identity := told["identitytoken"]:
        return IdentityToken(Secret(identity))
    if bearer := told["registrytoken"]:
        if is_bearer(bearer):
            return RegistryToken(Secret(bearer))
        return EntryFault(f"{path}.registrytoken: has a character that no bearer token has")
    if encoded := told["auth"].replace("\r", "").replace("\n", ""):
        pair = _decoded(encoded)
        where = f"{path}.auth"
    else:
        pair = _pair(told["username"], told["password"])
        where = path
    return EntryFault(f"{where}: {pair.reason}") if isinstance(pair, EntryFault) else pair


def _decoded(encoded: str) -> Credential | EntryFault | None:
    try:
        text = base64.b64decode(encoded, validate=True).decode("utf-8", "strict")
    except UnicodeDecodeError:
        return EntryFault("its base64 holds no UTF-8")
    except (binascii.Error, ValueError):
        return EntryFault("is not base64")
    username, colon, password = text.rstrip("\0").partition(":")
    return _pair(username, password) if colon else EntryFault("its base64 holds no user:password")


def _pair(username: str, secret: str) -> Credential | EntryFault | None:
    if not username and not secret:
        return None
    if username == _TOKEN_USER:
        return IdentityToken(Secret(secret)) if secret else None
    fault = password_fault(username, secret)
    return EntryFault(fault) if fault else Password(username, Secret(secret))
