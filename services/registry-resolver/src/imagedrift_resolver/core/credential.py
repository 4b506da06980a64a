"""Credentials: shown to their registry to be let in, and to no other server.

A credential's name tells the operator which one was used; the secret stays inside: neither
`repr` nor an error of ours ever writes it.
"""

import base64
import re
from typing import Any, Final, TypeAlias

from msgspec import Struct
from msgspec.structs import replace

ANONYMOUS: Final = "anonymous"
_BEARER: Final = re.compile(r"[A-Za-z0-9._~+/-]+=*")
_LONGEST: Final = 16 * 1024


class Secret(Struct, frozen=True):
    """Text that is written nowhere, unless `reveal` is called."""

    text: str

    def reveal(self) -> str:
        """Return the secret itself, to be sent to where it belongs."""
        return self.text

    def __repr__(self) -> str:
        return "Secret(***)"

    __str__ = __repr__

    def __rich_repr__(self) -> list[tuple[str, Any]]:
        """Hide the text from rich, which asks every Struct for its fields."""
        return [("text", "***")]


class Anonymous(Struct, frozen=True, eq=False):
    """Nothing to show. All of these are equal: `note` decides nothing."""

    note: str = ""
    """Why there is no credential although a place for one was configured."""

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Anonymous)

    def __hash__(self) -> int:
        return hash(Anonymous)

    @property
    def name(self) -> str:
        """The name under which answers got without a credential are known."""
        return ANONYMOUS


class Password(Struct, frozen=True):
    """A name and a password."""

    username: str
    password: Secret
    label: str = ""
    """Its name, where the user's name alone would mean another credential, too."""

    @property
    def name(self) -> str:
        """The user's name, unless it has a label of its own."""
        return self.label or self.username

    def basic(self) -> str:
        """Return the value of a Basic `Authorization` header."""
        pair = f"{self.username}:{self.password.reveal()}".encode()
        return f"Basic {base64.b64encode(pair).decode()}"


class IdentityToken(Struct, frozen=True):
    """A long-lived token that is exchanged for short ones (OAuth2's refresh token)."""

    token: Secret
    name: str = "identity-token"


class RegistryToken(Struct, frozen=True):
    """A bearer token that is shown to the registry as it is."""

    token: Secret
    name: str = "registry-token"


Credential: TypeAlias = Anonymous | Password | IdentityToken | RegistryToken


def for_path(credential: Credential, path: str) -> Credential:
    """Name a credential after the path that it is for, so that it shares nothing with another."""
    match credential:
        case Password():
            return replace(credential, label=f"{credential.username} ({path})")
        case IdentityToken() | RegistryToken():
            return replace(credential, name=f"{credential.name} ({path})")
        case _:
            return credential


def is_bearer(token: object) -> bool:
    """Tell whether this is text that may stand after `Bearer` in a header (RFC 6750)."""
    return (
        isinstance(token, str) and len(token) <= _LONGEST and _BEARER.fullmatch(token) is not None
    )


def password_fault(username: str, password: str) -> str:
    """Return the fault of a name and password, or nothing. An empty pair is never sent."""
    if not username or not password:
        return "the user name or the password is empty"
    if ":" in username:
        return "the user name has a ':' in it"
    if any(ord(c) < 32 or ord(c) == 127 for c in username + password):
        return "the user name or the password has a control character in it"
    return ""
