"""One request, as HTTP/1.1 writes it: no header and no target begins another line or request."""

import re
from functools import lru_cache
from typing import Final, TypeAlias

from imagedrift_resolver.adapters.request_failed import RequestFailed
from imagedrift_resolver.core.reply import shown

Headers: TypeAlias = tuple[tuple[bytes, bytes], ...]

_TARGET: Final = re.compile(rb"[\x21-\x7e]+")
_NAME: Final = re.compile(rb"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_VALUE: Final = re.compile(rb"[\t\x20-\x7e\x80-\xff]*")


def write_request(method: str, target: bytes, headers: Headers, content: bytes = b"") -> bytes:
    """Write a request whose headers tell the length of its content. Raises `RequestFailed`."""
    if not _TARGET.fullmatch(target):
        raise RequestFailed("protocol", "the request's target has a byte that HTTP forbids")
    return b"%b %b HTTP/1.1\r\n%b\r\n%b" % (method.encode(), target, _lines(headers), content)


@lru_cache(maxsize=256)
def _lines(headers: Headers) -> bytes:
    """Write headers, after a check of every byte: they are the same for many requests."""
    for name, value in headers:
        if not (_NAME.fullmatch(name) and _VALUE.fullmatch(value)):
            which = shown(name.decode("latin-1"))
            why = f"the request's header {which!r} has a byte that HTTP forbids"
            raise RequestFailed("protocol", why)
    return b"".join(b"%b: %b\r\n" % header for header in headers)
