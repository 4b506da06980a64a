"""Which network addresses may be connected to.

References come from hosts, which are trusted with their own inventory and nothing else: whoever
can name an image must not be able to make the resolver call on the machines around it. So an
address that is not on the public internet is refused, unless the operator named the registry.
The check is made on the address that is connected to, not on the name, so that a name which
resolves differently the second time gains nothing.

- Of IPv6 only global unicast (`2000::/3`) is public, and the two forms of IPv4 outside it that a
  machine really connects through: IPv4-mapped, and the well-known NAT64 prefix.
- An address that holds an IPv4 address is refused if that one is, whatever the form.
- The metadata service of a cloud gives out the credentials of the machine that asks. It is no
  registry, so no setting allows it.
"""

import ipaddress
from collections.abc import Iterator
from typing import Final

IpAddress = ipaddress.IPv4Address | ipaddress.IPv6Address

METADATA: Final = frozenset(
    map(
        ipaddress.ip_address,
        (
            "169.254.169.254",  # most clouds
            "169.254.170.2",  # Amazon: credentials of a container
            "169.254.170.23",  # Amazon: credentials of a pod
            "169.254.0.23",  # Tencent
            "169.254.42.42",  # Scaleway
            "100.100.100.200",  # Alibaba
            "168.63.129.16",  # Azure, a public address
            "192.0.0.192",  # Oracle
            "fd00:ec2::254",  # Amazon
            "fd00:ec2::23",
            "fd00:c1::a9fe:a9fe",  # Oracle
            "fd20:ce::254",  # Google
            "fd00:42::42",  # Scaleway
            "fe80::a9fe:a9fe",  # OpenStack
        ),
    )
)
_GLOBAL_UNICAST: Final = ipaddress.IPv6Network("2000::/3")
_DOCUMENTATION: Final = ipaddress.IPv6Network("3fff::/20")
"""RFC 9637, which Python does not know everywhere."""
_NAT64: Final = ipaddress.IPv6Network("64:ff9b::/96")
_NAT64_LOCAL: Final = ipaddress.IPv6Network("64:ff9b:1::/48")
_IN_THE_LAST_BITS: Final = tuple(
    map(
        ipaddress.IPv6Network,
        (
            "64:ff9b::/96",  # NAT64, RFC 6052
            "::/96",  # IPv4-compatible, RFC 4291
            "::ffff:0:0/96",  # IPv4-mapped, RFC 4291
            "::ffff:0:0:0/96",  # SIIT, RFC 2765
        ),
    )
)
_ISATAP: Final = (0x0000_5EFE, 0x0200_5EFE)
_LAST_32: Final = 0xFFFF_FFFF


def address_fault(text: str) -> str:
    """Return why this address may not be connected to, or nothing."""
    address = _parsed(text)
    if address is None:
        return "is no address"
    faults = (_fault(each) for each in (address, *_inside(address)))
    return metadata_fault(text) or next((fault for fault in faults if fault), "")


def metadata_fault(text: str) -> str:
    """Return why this address may not even be connected to where the operator named it."""
    address = _parsed(text)
    if address is None or METADATA.isdisjoint((address, *_inside(address))):
        return ""
    return "is the metadata service of a cloud"


def _parsed(text: str) -> IpAddress | None:
    try:
        return ipaddress.ip_address(text.partition("%")[0])
    except ValueError:
        return None


def _fault(address: IpAddress) -> str:
    if address.is_loopback:
        return "is a loopback address"
    if address.is_link_local:
        return "is a link-local address"
    if address.is_multicast:
        return "is a multicast address"
    if address.is_unspecified:
        return "is the unspecified address"
    return "" if _is_public(address) else "is a private or reserved address"


def _is_public(address: IpAddress) -> bool:
    if isinstance(address, ipaddress.IPv4Address):
        return address.is_global
    if address.ipv4_mapped or address in _NAT64:
        return True  # the address inside decides
    return address in _GLOBAL_UNICAST and address.is_global and address not in _DOCUMENTATION


def _inside(address: IpAddress) -> Iterator[ipaddress.IPv4Address]:
    """Return the IPv4 addresses that an IPv6 address leads to, in every form that has one."""
    if isinstance(address, ipaddress.IPv4Address):
        return
    number = int(address)
    last = ipaddress.IPv4Address(number & _LAST_32)
    if any(address in network for network in _IN_THE_LAST_BITS):
        yield last
    if (number >> 32) & _LAST_32 in _ISATAP:
        yield last
    if address in _NAT64_LOCAL:
        yield from _of_any_length(number)
    if address.sixtofour:
        yield address.sixtofour
    if address.teredo:
        yield from address.teredo


def _of_any_length(number: int) -> Iterator[ipaddress.IPv4Address]:
    """Return the IPv4 address after a prefix of 48, 56, 64 or 96 bits (RFC 6052, 2.2)."""
    yield ipaddress.IPv4Address(number & _LAST_32)
    bare = (number >> 64 << 56) | (number & ((1 << 56) - 1))  # without the octet "u", bits 64-71
    for prefix in (48, 56, 64):
        yield ipaddress.IPv4Address((bare >> (120 - prefix - 32)) & _LAST_32)
