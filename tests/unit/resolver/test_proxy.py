"""Which proxy a request goes through: as curl and Go read the environment."""

import pytest

from imagedrift_resolver.core.proxy import (
    Proxies,
    parse_no_proxy,
    parse_proxy,
    unresolved_fault,
)
from imagedrift_resolver.core.url import BadUrl, parse_url

SECURE = parse_proxy("http://secure.lan:3128")
PLAIN = parse_proxy("plain.lan")


def chosen(url: str, no_proxy: str = "") -> str:
    """The host of the proxy for a url."""
    bypasses, none = parse_no_proxy(no_proxy)
    proxy = Proxies(SECURE, PLAIN, bypasses, none).of(parse_url(url))
    return proxy.url.host if proxy else ""


def test_the_scheme_of_the_target_chooses() -> None:
    """The scheme of the registry chooses the proxy variable."""
    assert chosen("https://quay.io/v2/") == "secure.lan"
    assert chosen("http://quay.io/v2/") == "plain.lan"


@pytest.mark.parametrize(
    ("no_proxy", "url"),
    [
        ("*", "https://quay.io"),
        ("a.b, quay.io", "https://quay.io"),
        ("quay.io", "https://cdn.quay.io"),
        (".quay.io", "https://cdn.quay.io"),
        ("*.quay.io", "https://cdn.quay.io"),
        ("QUAY.io.", "https://Quay.IO"),
        ("quay.io:5000", "https://quay.io:5000"),
        ("10.0.0.0/8", "https://10.1.2.3:5000"),
        ("10.1.2.3", "https://10.1.2.3:5000"),
        ("10.1.2.3:5000", "https://10.1.2.3:5000"),
        ("fd00::/8", "https://[fd00::1]:5000"),
        ("[fd00::1]:5000", "https://[fd00::1]:5000"),
        ("a.b quay.io", "https://quay.io"),
    ],
)
def test_no_proxy_leaves_a_target_to_be_asked_directly(no_proxy: str, url: str) -> None:
    """`NO_PROXY` has hosts, suffixes, addresses and networks, with or without a port."""
    assert chosen(url, no_proxy) == ""


@pytest.mark.parametrize(
    ("no_proxy", "url"),
    [
        ("", "https://quay.io"),
        ("quay.io", "https://notquay.io"),
        (".quay.io", "https://quay.io"),
        ("quay.io:5000", "https://quay.io"),
        ("10.0.0.0/8", "https://11.0.0.1"),
        ("10.0.0.0/99,:,[,]:x", "https://10.0.0.1"),
        ("1.2.3.4:5000", "https://1.2.3.4"),
    ],
)
def test_no_proxy_covers_nothing_else(no_proxy: str, url: str) -> None:
    """`NO_PROXY` does not match a similar name or another port."""
    assert chosen(url, no_proxy) == "secure.lan"


def test_loopback_is_not_sought_on_a_proxy_on_another_machine() -> None:
    """A loopback address is asked directly, unless the proxy is on this machine."""
    local = Proxies(parse_proxy("127.0.0.1:3128"))
    for url in ("https://127.0.0.1:5000", "https://localhost:5000", "https://[::1]:5000"):
        assert chosen(url) == ""
        assert local.of(parse_url(url))


def test_a_proxys_credential_is_read_and_shown_nowhere() -> None:
    """A proxy's user and password are decoded and in no text."""
    proxy = parse_proxy("http://us%40er:p%3Ass%2F@proxy.lan:3128/")
    assert proxy.authorization
    assert proxy.authorization.reveal() == "Basic dXNAZXI6cDpzcy8="
    assert "p:ss" not in repr(proxy) + str(proxy)
    assert str(proxy) == "the proxy proxy.lan:3128"


@pytest.mark.parametrize(
    "text",
    ["https://proxy:1", "socks5://proxy:1", "http://", "http://p:x", "http://p:1/path", "a b", ""],
)
def test_what_is_no_proxy_is_refused(text: str) -> None:
    """A malformed proxy is refused without repeating its text."""
    with pytest.raises(BadUrl) as fault:
        parse_proxy(text.replace("//", "//me:hunter2@"))
    assert "hunter2" not in str(fault.value)


@pytest.mark.parametrize(
    "host",
    [
        "127.0.0.1",
        "127.1",
        "2130706433",
        "0x7f000001",
        "0x7f.0.0.1",
        "10.0.0.5",
        "[::1]",
        "[::ffff:10.0.0.1]",
        "localhost",
        "registry",
        "a.localhost",
        "a.localhost.",
        "169.254.169.254",
    ],
)
def test_what_a_proxy_would_find_inside_is_refused_as_it_is_written(host: str) -> None:
    """Behind a proxy private addresses and names are refused by their text."""
    assert unresolved_fault(host)


@pytest.mark.parametrize("host", ["quay.io", "1.1.1.1", "[2606:4700::1111]", "10.example.org"])
def test_public_names_are_left_to_the_proxy(host: str) -> None:
    """Public names and addresses are left to the proxy."""
    assert unresolved_fault(host) == ""
