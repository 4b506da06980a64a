"""Which network addresses may be connected to.

References come from hosts, which are trusted with their own inventory and nothing else: whoever
can name an image must not be able to make the resolver call on the machines around it. So an
address that is not on the public internet is refused, unless the operator named the registry.
The check is made on the address that is connected to, not on the name, so that a name which
resolves differently the second time gains nothing.
"""

import ipaddress
from typing import Final

Address = ipaddress.IPv4Address | ipaddress.IPv6Address

_NAT64: Final = ipaddress.IPv6Network("64:ff9b::/96")
_IPV4_COMPATIBLE: Final = ipaddress.IPv6Network("::/96")


def address_fault(text: str) -> str:
    """Return why this address may not be connected to, or nothing."""
    try:
        address = ipaddress.ip_address(text.partition("%")[0])
    except ValueError:
        return "is no address"
    inner = _inside(address)
    return _fault(address) or (_fault(inner) if inner else "")


def _fault(address: Address) -> str:
    if address.is_loopback:
        return "is a loopback address"
    if address.is_link_local:
        return "is a link-local address"
    if address.is_multicast:
        return "is a multicast address"
    if address.is_unspecified:
        return "is the unspecified address"
    return "" if address.is_global else "is a private or reserved address"


def _inside(address: Address) -> ipaddress.IPv4Address | None:
    """Return the IPv4 address that an IPv6 address leads to, where it is such a one."""
    if isinstance(address, ipaddress.IPv4Address):
        return None
    if address in _NAT64 or address in _IPV4_COMPATIBLE:
        return ipaddress.IPv4Address(int(address) & 0xFFFF_FFFF)
    teredo = address.teredo[1] if address.teredo else None
    return address.ipv4_mapped or address.sixtofour or teredo
