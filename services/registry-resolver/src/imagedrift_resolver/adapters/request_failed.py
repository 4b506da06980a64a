"""Why a request had no response, as an exception of httpx's kind, in an operator's words."""

import os
import socket
import ssl
from typing import Final

from imagedrift_resolver.core.reply import NoResponseKind
from imagedrift_runtime.httpx_library import httpx

_KINDS: Final[tuple[tuple[type[Exception], NoResponseKind], ...]] = (
    (ssl.SSLError, "tls"),
    (socket.gaierror, "dns"),
    (TimeoutError, "connect_timeout"),
    (ValueError, "tls"),  # a name that TLS cannot take
)


class RequestFailed(httpx.TransportError):
    """A request had no response; the message says why."""

    def __init__(self, kind: NoResponseKind, message: str) -> None:
        super().__init__(message)
        self.kind: NoResponseKind = kind

    @classmethod
    def of(cls, error: Exception, before: str = "") -> "RequestFailed":
        """Translate an error of a socket, of TLS or of a name."""
        known = (kind for types, kind in _KINDS if isinstance(error, types))
        kind: NoResponseKind = next(known, "closed")
        return cls(kind, before + _in_words(error))


def _in_words(error: Exception) -> str:
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"its certificate is not trusted: {error.verify_message}"
    if isinstance(error, ssl.SSLError):
        reason = getattr(error, "reason", None) or "unknown reason"
        return f"TLS failed: {reason.replace('_', ' ').lower()}"
    if isinstance(error, ConnectionRefusedError):
        return "the connection was refused"
    if isinstance(error, socket.gaierror):
        return "its name does not resolve"
    number = getattr(error, "errno", None)
    strerror = os.strerror(number) if number else getattr(error, "strerror", None)
    return str(strerror or type(error).__name__).lower()
