"""Which addresses may be connected to (CVE-2026-48978 and its like: requests to inner machines)."""

import ipaddress
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from imagedrift_schemas.network_address import METADATA, address_fault, metadata_fault

INSIDE: dict[str, Callable[[int], int]] = {
    "mapped": lambda v4: (0xFFFF << 32) | v4,
    "compatible": lambda v4: v4,
    "translated (SIIT)": lambda v4: (0xFFFF << 48) | v4,
    "NAT64": lambda v4: (0x64FF9B << 96) | v4,
    "local NAT64, /96": lambda v4: (0x64FF9B0001 << 80) | v4,
    "local NAT64, /48": lambda v4: (0x64FF9B0001 << 80) | (v4 >> 16 << 64) | ((v4 & 0xFFFF) << 40),
    "local NAT64, /56": lambda v4: (
        (0x64FF9B0001 << 80) | (v4 >> 24 << 64) | ((v4 & 0xFFFFFF) << 32)
    ),
    "local NAT64, /64": lambda v4: (0x64FF9B0001 << 80) | (v4 << 24),
    "6to4": lambda v4: (0x2002 << 112) | (v4 << 80) | 1,
    "Teredo's server": lambda v4: (0x20010000 << 96) | (v4 << 64) | 0xF7F7F7F7,
    "Teredo's client": lambda v4: (0x20010000 << 96) | (0x08080808 << 64) | (v4 ^ 0xFFFFFFFF),
    "ISATAP": lambda v4: (0x26064700 << 96) | (0x5EFE << 32) | v4,
    "ISATAP, global": lambda v4: (0x26064700 << 96) | (0x02005EFE << 32) | v4,
}
"""Every form of an IPv6 address that has an IPv4 address in it."""


def within(form: str, v4: int) -> str:
    """Write an IPv4 address inside an IPv6 one."""
    return str(ipaddress.IPv6Address(INSIDE[form](v4)))


@pytest.mark.parametrize(
    "address", ["1.1.1.1", "93.184.216.34", "2606:4700::1111", "::ffff:8.8.8.8"]
)
def test_public_addresses_are_fine(address: str) -> None:
    """Public addresses may be asked."""
    assert address_fault(address) == ""


@pytest.mark.parametrize(
    "address",
    [
        "127.0.0.1",
        "127.8.9.1",
        "0.0.0.0",
        "10.1.2.3",
        "172.16.0.1",
        "192.168.1.1",
        "100.64.0.1",
        "169.254.169.254",
        "198.18.0.1",
        "192.0.2.1",
        "224.0.0.1",
        "240.0.0.1",
        "255.255.255.255",
        "::",
        "::1",
        "fe80::1",
        "fe80::1%eth0",
        "fc00::1",
        "fd00:ec2::254",
        "ff02::1",
        "2001:db8::1",
        "::ffff:127.0.0.1",
        "::ffff:169.254.169.254",
        "::127.0.0.1",
        "64:ff9b::7f00:1",
        "64:ff9b::a9fe:a9fe",
        "2002:7f00:1::",
        "2002:a9fe:a9fe::1",
        "64:ff9b:1::808:808",
        "::ffff:0:8.8.8.8",
        "::8.8.8.8",
        "fec0::1",
        "3fff::1",
        "5f00::1",
        "100.100.100.200",
        "168.63.129.16",
        "not an address",
        "",
    ],
)
def test_addresses_of_inner_machines_are_refused(address: str) -> None:
    """Loopback, private and link-local addresses are refused, in IPv6 forms too."""
    assert address_fault(address)


@given(st.ip_addresses().map(str))
def test_every_address_is_judged(address: str) -> None:
    """Any address is allowed or refused, without an exception."""
    assert isinstance(address_fault(address), str)


@given(st.ip_addresses(v=4), st.sampled_from([*INSIDE]))
def test_no_form_leads_to_an_address_that_is_refused(
    inner: ipaddress.IPv4Address, form: str
) -> None:
    """Each IPv6 address with a refused IPv4 address in it is refused, too."""
    text = within(form, int(inner))
    assert bool(address_fault(text)) or not address_fault(str(inner))
    assert bool(metadata_fault(text)) or not metadata_fault(str(inner))


@pytest.mark.parametrize("form", [*INSIDE])
@pytest.mark.parametrize("inner", ["169.254.169.254", "168.63.129.16", "10.0.0.1", "127.0.0.1"])
def test_inner_machines_are_refused_in_every_form(inner: str, form: str) -> None:
    """The best-known inner machines are refused in every form of their address."""
    assert address_fault(within(form, int(ipaddress.ip_address(inner))))


@pytest.mark.parametrize("address", sorted(map(str, METADATA)))
def test_a_clouds_metadata_is_refused_even_where_the_operator_named_the_host(address: str) -> None:
    """A cloud's metadata service is refused even where it is configured."""
    assert metadata_fault(address)
    assert metadata_fault(f"{address}%eth0") or ":" not in address


@pytest.mark.parametrize("form", [*INSIDE])
def test_a_clouds_metadata_is_refused_in_every_form_of_its_address(form: str) -> None:
    """An IPv6 form of a metadata service's address is refused even where it is configured."""
    for address in METADATA:
        if address.version == 4:
            assert metadata_fault(within(form, int(address))), address


@pytest.mark.parametrize("address", ["10.0.0.1", "127.0.0.1", "fd00::1", "fe80::1%eth0", "", "x"])
def test_other_private_addresses_are_the_operators_to_allow(address: str) -> None:
    """Other private addresses can be allowed by configuration."""
    assert not metadata_fault(address)
