"""A tunnel through an HTTP proxy (`CONNECT`), and the headers and refusals of proxies.

A proxy's own refusal is reported as the proxy's, never as the registry's.
"""

from typing import Final

from imagedrift_resolver.adapters.http1_request import Headers, write_request
from imagedrift_resolver.adapters.http1_response import Head, ResponseParser
from imagedrift_resolver.adapters.request_failed import RequestFailed
from imagedrift_resolver.adapters.socket_stream import SocketStream
from imagedrift_resolver.core.proxy import Proxy
from imagedrift_resolver.core.url import Url

WANTS_CREDENTIAL: Final = 407


async def tunnel(stream: SocketStream, proxy: Proxy, url: Url) -> None:
    """Ask a proxy for a tunnel to a url's host. Raises `RequestFailed` with its refusal."""
    target = f"{url.host}:{url.port}".encode()
    headers = ((b"Host", target), (b"User-Agent", b"imagedrift"), *headers_for(proxy))
    stream.write(write_request("CONNECT", target, headers))
    parser = ResponseParser("CONNECT")
    try:
        head = await _head(stream, parser)
    except RequestFailed as error:
        raise RequestFailed(error.kind, f"{proxy}: {error}") from error
    if not 200 <= head.status < 300:
        raise RequestFailed("closed", refusal(proxy, head.status))
    if parser.has_trailing:
        raise RequestFailed("protocol", f"{proxy}: sent more than its response to CONNECT")


def headers_for(proxy: Proxy) -> Headers:
    """Return the headers that are meant for the proxy alone."""
    if proxy.authorization is None:
        return ()
    return ((b"Proxy-Authorization", proxy.authorization.reveal().encode()),)


def refusal(proxy: Proxy, status: int) -> str:
    """Say what a proxy's own refusal means."""
    if status != WANTS_CREDENTIAL:
        return f"{proxy} refuses to connect to it: it answers {status}"
    if proxy.authorization:
        return f"{proxy} does not accept the credential that it was shown"
    return f"{proxy} wants a credential: give its url as http://user:password@host:port"


async def _head(stream: SocketStream, parser: ResponseParser) -> Head:
    while (head := parser.read_head()) is None:
        parser.feed(await stream.read())
    return head
