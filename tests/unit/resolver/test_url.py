"""Urls: what is followed, and what never reaches a socket."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from imagedrift_resolver.core.url import BadUrl, Url, parse_url

BASE = Url("https", "registry.example.org", 443, "/v2/a/b/manifests/1")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("https://example.org", Url("https", "example.org", 443, "/")),
        ("https://example.org:443/x", Url("https", "example.org", 443, "/x")),
        ("http://example.org/x?y=1#z", Url("http", "example.org", 80, "/x?y=1")),
        ("HTTPS://EXAMPLE.org/X", Url("https", "example.org", 443, "/X")),
        ("https://[2001:db8::1]:5000/", Url("https", "[2001:db8::1]", 5000, "/")),
        ("/token", Url("https", "registry.example.org", 443, "/token")),
        ("//other.example/x", Url("https", "other.example", 443, "/x")),
    ],
)
def test_urls_are_read(text: str, expected: Url) -> None:
    """Absolute and relative urls are read."""
    assert parse_url(text, BASE) == expected


@pytest.mark.parametrize(
    "text",
    [
        "ftp://example.org/",
        "file:///etc/passwd",
        "javascript:alert(1)",
        "https://user:secret@example.org/",
        "https://@example.org/",
        "https://example.org:0/",
        "https://example.org:99999/",
        "https://exa mple.org/",
        "https://exämple.org/",
        "https://example.org/\u00e4",
        "https://[::1/",
        "https://" + "a" * 300 + "/",
        "https://example.org/" + "a" * 5000,
    ],
)
def test_odd_urls_are_refused(text: str) -> None:
    """Urls with other schemes, user names, no host or control characters are refused."""
    with pytest.raises(BadUrl):
        parse_url(text, BASE)


@given(st.text(max_size=200))
def test_what_is_read_is_clean(text: str) -> None:
    """Each accepted url reads back as itself and holds no space or control character."""
    try:
        url = parse_url(text, BASE)
    except BadUrl:
        return
    assert parse_url(str(url)) == url
    assert all("!" <= c <= "~" for c in str(url))
