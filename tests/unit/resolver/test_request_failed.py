"""Errors of sockets, TLS and names as the kind and reason of a request that failed."""

import socket
import ssl

import pytest

from imagedrift_resolver.adapters.request_failed import RequestFailed
from imagedrift_resolver.core.reply import NoResponseKind


@pytest.mark.parametrize(
    ("error", "kind", "text"),
    [
        (ConnectionRefusedError(111, "x"), "closed", "the connection was refused"),
        (ConnectionResetError(104, "x"), "closed", "connection reset by peer"),
        (OSError(113, "x"), "closed", "no route to host"),
        (TimeoutError(110, "x"), "connect_timeout", "connection timed out"),
        (socket.gaierror(-2, "x"), "dns", "its name does not resolve"),
        (ssl.SSLError(1, "x"), "tls", "TLS failed: unknown reason"),
        (ValueError("idna"), "tls", "valueerror"),
    ],
)
def test_an_error_has_a_kind_and_words(error: Exception, kind: NoResponseKind, text: str) -> None:
    """The kind is the field's; the words are an operator's."""
    failed = RequestFailed.of(error, "proxy: ")
    assert (failed.kind, str(failed)) == (kind, f"proxy: {text}")
