"""The name of a registry: the domain of a reference, without a repository.

    domain = host [ ":" port ]                                   at most 255 characters
    host   = label *( "." label ) | "[" 1*( hexdigit | ":" ) "]"
    label  = alnum [ *( alnum | "-" ) alnum ]
    port   = 1*digit

Only a text with `.`, `:` or an upper-case letter, or exactly `localhost`, is one: any other would
be the first part of a repository on Docker Hub.
"""

import ipaddress
import re
from typing import Final, Self

from msgspec import Struct

from imagedrift_schemas.errors import BadReference

DOCKER_HUB: Final = "docker.io"
"""The registry that a reference without a domain means."""

_HUB_ALIASES: Final = frozenset(
    {DOCKER_HUB, "index.docker.io", "registry-1.docker.io", "registry.hub.docker.com"}
)
MAX_DOMAIN: Final = 255

_LABEL: Final = r"[A-Za-z0-9](?:[A-Za-z0-9-]*[A-Za-z0-9])?"
DOMAIN: Final = re.compile(rf"(?:{_LABEL}(?:\.{_LABEL})*|\[[A-Fa-f0-9:]+\])(?::[0-9]+)?", re.ASCII)
_PORT: Final = re.compile(r":[0-9]+\Z", re.ASCII)
_NUMBER: Final = re.compile(r"[0-9]+|0x[0-9a-f]*", re.ASCII)


class RegistryName(Struct, frozen=True):
    """A registry's name in its normal form."""

    text: str

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read a name, or raise BadReference."""
        if len(text) > MAX_DOMAIN or not reads_as_domain(text) or not DOMAIN.fullmatch(text):
            raise BadReference(f"registry {text[:160]!a}: write a host, with a port if it has one")
        return cls(canonical_registry(text))

    @property
    def host(self) -> str:
        """The host, without the port; an IPv6 address in brackets."""
        return _PORT.sub("", self.text)

    @property
    def port(self) -> int | None:
        """The port, where one is written."""
        port = _PORT.search(self.text)
        return int(port[0][1:]) if port else None

    @property
    def is_machine_bound(self) -> bool:
        """True when it means another machine on every host."""
        return is_machine_bound(self.text)


def canonical_registry(domain: str) -> str:
    """Return a domain in lower case, every name of Docker Hub being `docker.io`.

    A single upper-case label (`FOO`) keeps its case: in lower case it would no longer be a domain.
    """
    host = domain.lower()
    if host in _HUB_ALIASES:
        return DOCKER_HUB
    return host if reads_as_domain(host) else domain


def is_machine_bound(registry: str) -> bool:
    """Tell whether a registry's name means another machine on every host.

    `localhost`, a loopback address, and a name of one label are understood by the host that wrote
    them alone.
    """
    host = _PORT.sub("", registry.lower())
    by_name = "." not in host and not host.startswith("[")
    return by_name or host.endswith(".localhost") or _is_own_address(host)


def reads_as_domain(first: str) -> bool:
    """Tell whether a first part is taken for a domain and not for a user on Docker Hub."""
    return "." in first or ":" in first or first == "localhost" or first != first.lower()


def _is_own_address(host: str) -> bool:
    """Tell whether the host is a loopback or unspecified address.

    So is, for us, any other spelling that ends in a number (`127.1`, `0x7f.0.0.1`): no name may
    end so, and programs differ in which address they take it for.
    """
    last = host.rpartition(".")[2]
    if ":" not in host and not last[:1].isdigit():  # most are names: reading them costs a lot
        return False
    try:
        address = ipaddress.ip_address(host.strip("[]"))
    except ValueError:
        return _NUMBER.fullmatch(last) is not None
    if isinstance(address, ipaddress.IPv6Address) and address.ipv4_mapped:
        address = address.ipv4_mapped
    return address.is_loopback or address.is_unspecified
