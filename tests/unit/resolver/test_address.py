"""Which addresses may be connected to (CVE-2026-48978 and its like: requests to inner machines)."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from imagedrift_resolver.core.address import address_fault


@pytest.mark.parametrize(
    "address", ["1.1.1.1", "93.184.216.34", "2606:4700::1111", "::ffff:8.8.8.8"]
)
def test_public_addresses_are_fine(address: str) -> None:
    """The internet may be asked."""
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
        "not an address",
        "",
    ],
)
def test_addresses_of_inner_machines_are_refused(address: str) -> None:
    """Loopback, private, link-local (cloud metadata), and IPv6 forms that lead to them."""
    assert address_fault(address)


@given(st.ip_addresses().map(str))
def test_every_address_is_judged(address: str) -> None:
    """No address raises."""
    assert isinstance(address_fault(address), str)
