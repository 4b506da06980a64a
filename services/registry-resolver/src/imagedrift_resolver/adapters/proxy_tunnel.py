"""A tunnel through an HTTP proxy (`CONNECT`), and the headers and refusals of proxies.

A proxy's own refusal is reported as the proxy's, never as the registry's.
"""

from typing import Any, Final

import h11

from imagedrift_resolver.adapters.header_guard import HeaderGuard
from imagedrift_resolver.adapters.request_failed import RequestFailed
from imagedrift_resolver.adapters.socket_stream import SocketStream
from imagedrift_resolver.core.proxy import Proxy
from imagedrift_resolver.core.url import Url

HEADERS_CAP: Final = 64 * 1024
MOST_INTERIM: Final = 8
WANTS_CREDENTIAL: Final = 407


async def tunnel(stream: SocketStream, proxy: Proxy, url: Url) -> None:
    """Ask a proxy for a tunnel to a url's host. Raises `RequestFailed` with its refusal."""
    target = f"{url.host}:{url.port}"
    connection = h11.Connection(h11.CLIENT, max_incomplete_event_size=HEADERS_CAP)
    headers = [("Host", target), ("User-Agent", "imagedrift"), *headers_for(proxy)]
    request = h11.Request(method="CONNECT", target=target, headers=headers)
    stream.write((connection.send(request) or b"") + (connection.send(h11.EndOfMessage()) or b""))
    try:
        status = await _status(stream, connection)
    except h11.ProtocolError as error:
        raise RequestFailed(
            "protocol", f"{proxy}: its response is not HTTP, or ended early"
        ) from error
    if not 200 <= status < 300:
        raise RequestFailed("closed", refusal(proxy, status))
    if connection.trailing_data[0]:
        raise RequestFailed("protocol", f"{proxy}: sent more than its response to CONNECT")


def headers_for(proxy: Proxy) -> list[tuple[str, str]]:
    """Return the headers that are meant for the proxy alone."""
    if proxy.authorization is None:
        return []
    return [("Proxy-Authorization", proxy.authorization.reveal())]


def refusal(proxy: Proxy, status: int) -> str:
    """Explain a proxy's own refusal."""
    if status != WANTS_CREDENTIAL:
        return f"{proxy} refuses to connect to it: it answers {status}"
    if proxy.authorization:
        return f"{proxy} does not accept the credential that it was shown"
    return f"{proxy} wants a credential: give its url as http://user:password@host:port"


async def _status(stream: SocketStream, connection: h11.Connection) -> int:
    guard = HeaderGuard()
    for _ in range(MOST_INTERIM):
        event: Any = connection.next_event()
        while event is h11.NEED_DATA:
            data = await stream.read()
            if guard.is_hostile(data):
                raise RequestFailed(
                    "protocol", "the proxy's response has more blanks in a row than any real header"
                )
            connection.receive_data(data)
            event = connection.next_event()
        if isinstance(event, h11.Response):
            return event.status_code
        if not isinstance(event, h11.InformationalResponse):
            break
    raise RequestFailed("protocol", "the proxy's response never begins")
