"""Which HTTP proxy a request goes through, if any: what curl and Go make of the environment.

    proxy    = [ "http://" ] [ user ":" password "@" ] host [ ":" port ]
    NO_PROXY = "*" or entries with commas: host, .suffix, *.suffix, address, CIDR; each with a port

- A suffix stands for every name below it; a host for itself and every name below it.
- A proxy of the environment is on another machine unless it is on a loopback address: then a
  loopback target is asked directly, as the proxy would look for it on its own machine.
- Whoever asks through a proxy leaves the resolving of names to it, so no address can be checked.
  `unresolved_fault` refuses what can be told from the host as it is written.
"""

import base64
import ipaddress
import re
from typing import Final
from urllib.parse import unquote, urlsplit

from msgspec import Struct

from imagedrift_resolver.core.credential import Secret
from imagedrift_resolver.core.url import BadUrl, Url, parse_url
from imagedrift_schemas.network_address import address_fault

_NUMERIC: Final = re.compile(r"(0[xX][0-9a-fA-F]*|[0-9]+)")


class Proxy(Struct, frozen=True):
    """An HTTP proxy, and the credential for it."""

    url: Url
    authorization: Secret | None = None

    def __str__(self) -> str:
        return f"the proxy {self.url.host}:{self.url.port}"


class Bypass(Struct, frozen=True):
    """One entry of `NO_PROXY`."""

    host: str = ""
    below_only: bool = False
    network: ipaddress.IPv4Network | ipaddress.IPv6Network | None = None
    port: int | None = None

    def covers(self, host: str, port: int) -> bool:
        """Tell whether a target is asked without a proxy because of this entry."""
        if self.port is not None and self.port != port:
            return False
        if self.network is not None:
            address = _address(host)
            return address is not None and address in self.network
        return host.endswith(f".{self.host}") or (host == self.host and not self.below_only)


class Proxies(Struct, frozen=True):
    """The proxies of the environment."""

    https: Proxy | None = None
    http: Proxy | None = None
    bypasses: tuple[Bypass, ...] = ()
    none: bool = False
    """`NO_PROXY` is `*`."""

    def of(self, url: Url) -> Proxy | None:
        """Return the proxy that a request goes through."""
        proxy = self.https if url.scheme == "https" else self.http
        host = url.host.strip("[]").rstrip(".").lower()
        if proxy is None or self.none or (_is_loopback(host) and not _is_loopback(proxy.url.host)):
            return None
        if any(bypass.covers(host, url.port) for bypass in self.bypasses):
            return None
        return proxy


def parse_proxy(text: str) -> Proxy:
    """Read a proxy's url. Raises `BadUrl`, whose message never repeats the text."""
    if "://" not in text:
        text = f"http://{text}"
    scheme, _, rest = text.partition("://")
    if scheme.lower() != "http":
        raise BadUrl("is no proxy that we speak to: write http://host:port")
    user, _, address = rest.rpartition("@")
    try:
        parts = urlsplit(f"http://{address}")
        has_more = bool(parts.path.strip("/") or parts.query or parts.fragment)
    except ValueError as error:
        raise BadUrl("is no url: write http://host:port") from error
    if has_more or "/" in user:
        raise BadUrl("is more than a proxy's address: write http://host:port")
    return Proxy(parse_url(f"http://{parts.netloc}"), _basic(user) if user else None)


def parse_no_proxy(text: str) -> tuple[tuple[Bypass, ...], bool]:
    """Read `NO_PROXY`: its entries, and whether it is `*`. What makes no sense is passed over."""
    entries = [entry for entry in re.split(r"[,\s]+", text.strip().lower()) if entry]
    found = [_bypass(entry) for entry in entries if entry != "*"]
    return tuple(entry for entry in found if entry), "*" in entries


def unresolved_fault(host: str) -> str:
    """Return why a host may not be asked for through a proxy, or nothing: as it is written."""
    name = host.strip("[]").rstrip(".").lower()
    labels = name.split(".")
    if ":" in name or _NUMERIC.fullmatch(labels[-1]):  # `127.1` and `0x7f.1` are addresses, too
        return address_fault(name)
    if len(labels) == 1 or labels[-1] == "localhost":
        return "means another machine on every host"
    return ""


def _basic(user: str) -> Secret:
    name, _, password = user.partition(":")
    pair = f"{unquote(name)}:{unquote(password)}".encode()
    if any(byte < 32 or byte == 127 for byte in pair):
        raise BadUrl("has a control character in its user name or password")
    return Secret(f"Basic {base64.b64encode(pair).decode()}")


def _bypass(entry: str) -> Bypass | None:
    try:
        return Bypass(network=ipaddress.ip_network(entry.strip("[]"), strict=False))
    except ValueError:
        pass
    host, port = _apart(entry)
    address = _address(host)
    if address is not None:
        return Bypass(network=ipaddress.ip_network(address), port=port)
    name = host.removeprefix("*").strip(".")
    return Bypass(name, host.startswith(("*.", ".")), port=port) if name else None


def _apart(entry: str) -> tuple[str, int | None]:
    host, colon, port = entry.rpartition(":")
    if colon and port.isascii() and port.isdigit():
        return host.strip("[]"), int(port)
    return entry.strip("[]"), None


def _address(host: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        return ipaddress.ip_address(host)
    except ValueError:
        return None


def _is_loopback(host: str) -> bool:
    address = _address(host.strip("[]"))
    named = host == "localhost" or host.endswith(".localhost")
    return named or (address is not None and address.is_loopback)
