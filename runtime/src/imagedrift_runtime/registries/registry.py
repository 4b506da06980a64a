"""One registry's table in `registries.toml`: its keys, and what can be wrong with each.

No value is repeated in a fault: it may be a secret.
"""

import ipaddress
import re
from collections.abc import Iterator, Mapping
from typing import Annotated, Any, Final, Literal

import msgspec
from msgspec import Meta, Struct

from imagedrift_schemas.errors import BadReference
from imagedrift_schemas.reference import ImageReference
from imagedrift_schemas.registry_name import RegistryName

_LANE: Final = r"^[a-z0-9][a-z0-9_.:-]{0,99}$"


DIRECT: Final = "none"
"""The value of `proxy` by which a registry is asked without one."""
SHORTEST_S, LONGEST_S = 0.1, 300.0
MOST_CONNECTIONS, MOST_REQUESTS = 1000, 10_000
_DURATION: Final = re.compile(r"([0-9]{1,6}(?:\.[0-9]{1,3})?)(ms|s|m)")
_UNITS: Final = {"ms": 0.001, "s": 1.0, "m": 60.0}
_PROXY: Final = re.compile(r"http://(?P<address>[^/@?#\s]+)/?", re.IGNORECASE)


class Registry(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The configuration of one registry; the defaults hold for any other."""

    scheme: Literal["https", "http"] = "https"
    endpoint: str = ""
    ca: str = ""
    max_connections: Annotated[int, Meta(ge=1, le=MOST_CONNECTIONS)] | None = None
    requests_per_second: Annotated[float, Meta(gt=0, le=MOST_REQUESTS)] | None = None
    username: str = ""
    password_file: str = ""
    token_file: str = ""
    realms: tuple[str, ...] = ()
    lane: Annotated[str, Meta(pattern=_LANE)] | None = None
    proxy: str = ""
    client_cert: str = ""
    client_key: str = ""
    storage_hosts: tuple[str, ...] = ()
    timeout: str = ""


_DURATION_WANTED: Final = "write a duration from 100ms to 5m, as 500ms, 30s or 2m"
_IN_QUOTES: Final = "write it in quotes"
_WANTED: Final = {
    **dict.fromkeys(Registry.__struct_fields__, _IN_QUOTES),
    "scheme": 'write "https" or "http"',
    "max_connections": f"write a whole number from 1 to {MOST_CONNECTIONS}, without quotes",
    "requests_per_second": f"write a number above 0, {MOST_REQUESTS} at most, without quotes",
    "lane": f"{_IN_QUOTES}, of lower-case letters, digits, _, ., : and -, 100 at most",
    "timeout": f"{_DURATION_WANTED}, in quotes",
    "storage_hosts": 'write a list of hosts, each in quotes: ["minio.lan:9000"]',
    "realms": 'write a list of hosts, each in quotes: ["gitlab.example.org"]',
}
"""What is to be written for each key, where its value is of another form."""


def seconds_of(duration: str) -> float | None:
    """Read a duration as `30s`, `500ms` or `2m`; nothing where it is none, or out of bounds."""
    read = _DURATION.fullmatch(duration)
    seconds = float(read[1]) * _UNITS[read[2]] if read else 0.0
    return seconds if SHORTEST_S <= seconds <= LONGEST_S else None


def host_fault(host: str) -> str:
    """Return the fault of a registry's name, or nothing."""
    try:
        RegistryName.parse(host)
    except BadReference:
        return "write a registry's host, with a port where there is one"
    if _is_misspelt_address(host):
        return "write an IPv4 address as four numbers from 0 to 255"
    return ""


def entry_faults(table: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Yield (key, fault) for one registry's table."""
    known = Registry.__struct_fields__
    for key, value in table.items():
        if key in ("password", "token"):
            yield key, f"a secret has no place here: name a file that holds it as {key}_file"
        elif key not in known:
            yield key, f"unknown key; there are {', '.join(known)}"
        else:
            try:
                msgspec.convert({key: value}, Registry)
            except msgspec.ValidationError:
                yield key, _WANTED[key]
    yield from _address_faults(table)
    yield from _credential_faults(table)
    yield from _connection_faults(table)


def _address_faults(table: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    endpoint, realms = table.get("endpoint"), table.get("realms")
    storage = table.get("storage_hosts")
    if isinstance(endpoint, str) and endpoint and not _is_mirror(endpoint):
        yield (
            "endpoint",
            "write a host, with a port from 1 to 65535 where there is one; "
            "for a mirror behind a path: host/path",
        )
    if isinstance(realms, list) and not all(map(_is_host, realms)):
        yield "realms", "write a host for each, without scheme, port or path"
    if isinstance(storage, list) and not all(map(_is_storage, storage)):
        yield "storage_hosts", "write a host for each, with a port where there is one, no path"


def _connection_faults(table: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    proxy, timeout = table.get("proxy"), table.get("timeout")
    if isinstance(proxy, str) and proxy and (why := _proxy_fault(proxy)):
        yield "proxy", why
    if isinstance(timeout, str) and timeout and seconds_of(timeout) is None:
        yield "timeout", _DURATION_WANTED
    for key, other in (("client_cert", "client_key"), ("client_key", "client_cert")):
        if table.get(key) and not table.get(other):
            yield key, f"needs {other}"
    if table.get("client_cert") and table.get("scheme") == "http":
        yield "client_cert", 'is shown over TLS alone, and scheme is "http"'


def _proxy_fault(proxy: str) -> str:
    """Return the fault of a proxy, or nothing. A path names a file that holds its url."""
    if proxy == DIRECT or proxy.startswith("/"):
        return ""
    if "@" in proxy:
        return "a secret has no place here: put the url in a file and write the file's path"
    read = _PROXY.fullmatch(proxy)
    if read and _is_address_with_name(read["address"]):
        return ""
    return f'write http://host:port, the path of a file that holds it, or "{DIRECT}"'


def _credential_faults(table: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    if table.get("username") and not table.get("password_file"):
        yield "username", "needs password_file"
    if table.get("password_file") and not table.get("username"):
        yield "password_file", "needs username"
    if table.get("password_file") and table.get("token_file"):
        yield "token_file", "either this or username and password_file"


def _is_address(endpoint: str) -> bool:
    port = endpoint.rpartition("]")[2].rpartition(":")[2] if ":" in endpoint else "443"
    named = port if port.isdigit() else "443"  # an IPv6 address without a port
    return not host_fault(endpoint) and 1 <= int(named) <= 65535


def _is_mirror(endpoint: str) -> bool:
    """Tell whether it is an address, alone or with a path as a repository has one."""
    address, slash, path = endpoint.partition("/")
    if not slash:
        return _is_address(endpoint)
    try:
        reads_back = ImageReference.parse(f"a.example/{path}").path == path
    except BadReference:
        return False
    return reads_back and _is_address(address)


def _is_storage(host: Any) -> bool:
    return not isinstance(host, str) or ("/" not in host and _is_address_with_name(host))


def _is_address_with_name(host: str) -> bool:
    """Tell whether it is a host, of one label too, with a port where there is one."""
    return _is_address(host) or _is_address(f"{host}:443")


def _is_misspelt_address(host: str) -> bool:
    """Tell whether it is digits and dots, and yet no address: programs differ about such."""
    name = host.partition(":")[0]
    if not name.replace(".", "").isdigit():
        return False
    try:
        ipaddress.IPv4Address(name)
    except ValueError:
        return True
    return False


def _is_host(realm: Any) -> bool:
    """Tell whether it is a host; with a port behind it, one of one label reads as one, too."""
    return not isinstance(realm, str) or not host_fault(f"{realm}:443")
