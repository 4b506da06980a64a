"""One registry's table in `registries.toml`: its keys, and what can be wrong with each.

No value is repeated in a fault: it may be a secret.
"""

import ipaddress
from collections.abc import Iterator, Mapping
from typing import Annotated, Any, Final, Literal

import msgspec
from msgspec import Meta, Struct

from imagedrift_schemas.errors import BadReference
from imagedrift_schemas.reference import ImageReference

_LANE: Final = r"^[a-z0-9][a-z0-9_.:-]{0,99}$"


class Registry(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What is configured for one registry; the defaults are what holds for any other."""

    scheme: Literal["https", "http"] = "https"
    endpoint: str = ""
    ca: str = ""
    max_connections: Annotated[int, Meta(ge=1, le=1000)] | None = None
    requests_per_second: Annotated[float, Meta(gt=0, le=10_000)] | None = None
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


def host_fault(host: str) -> str:
    """Return what is wrong with a registry's name, or nothing."""
    try:
        reads_back = ImageReference.parse(f"{host}/a/b").path == "a/b"
    except BadReference:
        reads_back = False
    if reads_back and _is_misspelt_address(host):
        return "write an IPv4 address as four numbers from 0 to 255"
    return "" if reads_back else "write a registry's host, with a port where there is one"


def entry_faults(table: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Yield (key, what is wrong) for one registry's table."""
    known = Registry.__struct_fields__
    for key, value in table.items():
        if key in ("password", "token"):
            yield key, f"a secret has no place here: name a file that holds it as {key}_file"
        elif key not in known:
            yield key, f"unknown key; there are {', '.join(known)}"
        else:
            try:
                msgspec.convert({key: value}, Registry)
            except msgspec.ValidationError as error:
                yield key, str(error).partition(" - at")[0]
    yield from _address_faults(table)
    yield from _credential_faults(table)


def _address_faults(table: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    endpoint, realms = table.get("endpoint"), table.get("realms")
    if isinstance(endpoint, str) and endpoint and not _is_address(endpoint):
        yield "endpoint", "write a host, with a port from 1 to 65535 where there is one"
    if isinstance(realms, list) and not all(map(_is_host, realms)):
        yield "realms", "write a host for each, without scheme, port or path"


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
