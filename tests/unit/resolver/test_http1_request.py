"""A request as it is written: each header on its line, and none that begins another."""

import pytest

from imagedrift_resolver.adapters.http1_request import write_request
from imagedrift_resolver.adapters.request_failed import RequestFailed

HOST = (b"Host", b"registry.example.org")


def test_a_request_is_its_line_its_headers_and_its_content() -> None:
    """The order of headers stays, and a blank line ends them."""
    headers = (HOST, (b"Accept", b""), (b"Content-Length", b"3"))

    written = write_request("POST", b"/token?a=b|c", headers, b"a=b")

    assert written == (
        b"POST /token?a=b|c HTTP/1.1\r\n"
        b"Host: registry.example.org\r\nAccept: \r\nContent-Length: 3\r\n\r\na=b"
    )


def test_a_value_may_have_blanks_and_bytes_of_any_alphabet() -> None:
    """A credential of an operator may have any byte that ends no line."""
    written = write_request("GET", b"/", ((b"X-A", "a\tb é".encode()),))

    assert written == b"GET / HTTP/1.1\r\nX-A: a\tb \xc3\xa9\r\n\r\n"


@pytest.mark.parametrize("value", [b"a\r\nX: b", b"a\nb", b"a\rb", b"a\0b", b"\x7f", b"\x1b"])
def test_a_value_begins_no_other_line(value: bytes) -> None:
    """Line breaks, NUL and control characters are refused, and the value is not repeated."""
    with pytest.raises(RequestFailed, match="'Authorization' has a byte that HTTP") as failed:
        write_request("GET", b"/", (HOST, (b"Authorization", b"hunter2" + value)))

    assert failed.value.kind == "protocol"
    assert "hunter2" not in str(failed.value)


@pytest.mark.parametrize("name", [b"", b"a b", b"a:", b"a\r\n", b"\xe9", b"a\0", b"(a)"])
def test_a_name_is_a_token(name: bytes) -> None:
    """A name has none of the characters that separate (RFC 9110, 5.1)."""
    with pytest.raises(RequestFailed, match="forbids"):
        write_request("GET", b"/", (HOST, (name, b"a")))


@pytest.mark.parametrize("target", [b"", b"/a b", b"/\r\nX: y", b"/\0", b"/\xc3\xa9", b"/\t"])
def test_a_target_ends_with_its_blank(target: bytes) -> None:
    """A target of other bytes would be another request."""
    with pytest.raises(RequestFailed, match="target") as failed:
        write_request("GET", target, (HOST,))

    assert failed.value.kind == "protocol"
