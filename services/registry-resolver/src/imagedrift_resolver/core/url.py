"""Where a request goes, taken apart once and checked: nothing odd ever reaches a socket.

    url  = scheme "://" host [ ":" port ] [ target ]      at most 4096 characters
    host = ASCII letters, digits, "." and "-", or an IPv6 address in brackets

There is no user name in it and no fragment; a name outside ASCII is refused, not converted.
"""

import re
from typing import Final, TypeAlias
from urllib.parse import urljoin, urlsplit

from msgspec import Struct

_HOST: Final = re.compile(
    r"[A-Za-z0-9_]([A-Za-z0-9_.-]{0,253}[A-Za-z0-9.])?|\[[0-9A-Fa-f:.]{2,45}\]"
)
_TARGET: Final = re.compile(r"/[!-~]*")
_PORTS: Final = {"https": 443, "http": 80}
_LONGEST: Final = 4096

Origin: TypeAlias = tuple[str, str, int]
"""Scheme, host and port: what a credential is bound to."""


class Url(Struct, frozen=True):
    """A url in the parts that a connection needs."""

    scheme: str
    host: str
    port: int
    target: str = "/"

    @property
    def origin(self) -> Origin:
        """Scheme, host and port: what a credential is bound to."""
        return self.scheme, self.host, self.port

    @property
    def authority(self) -> str:
        """Return the host, with the port where it is not the scheme's own."""
        own = self.port == _PORTS[self.scheme]
        return self.host if own else f"{self.host}:{self.port}"

    def __str__(self) -> str:
        return f"{self.scheme}://{self.authority}{self.target}"


class BadUrl(ValueError):
    """The text is no url that we would follow; the message says why."""


def parse_url(text: str, base: Url | None = None) -> Url:
    """Read an absolute url, or one relative to `base`. Raises `BadUrl`."""
    if len(text) > _LONGEST:
        raise BadUrl(f"longer than {_LONGEST} characters")
    try:
        written = urlsplit(text)
        parts = urlsplit(urljoin(str(base), text) if base else text)
        port, host = parts.port, parts.hostname
        user = parts.username is not None or parts.password is not None
    except ValueError as error:
        raise BadUrl("is no url") from error
    if written.scheme and not written.netloc:  # `urljoin` would guess
        raise BadUrl("names no host")
    if parts.scheme not in _PORTS:
        raise BadUrl("is neither http nor https")
    if user:
        raise BadUrl("carries a user name")
    host = f"[{host}]" if host and ":" in host else host
    if not host or not _HOST.fullmatch(host) or port == 0:
        raise BadUrl("names no host")
    target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    if not _TARGET.fullmatch(target):
        raise BadUrl("has a character that no url has")
    return Url(parts.scheme, host, port or _PORTS[parts.scheme], target)
