"""What is said to an HTTP proxy: `CONNECT` for https, requests in absolute form for http.

A refusal of the proxy's own is told as the proxy's, never as the registry's.
"""

from typing import Any, Final

import h11

from imagedrift_resolver.adapters.blanks import Blanks
from imagedrift_resolver.adapters.sockets import Broken, End
from imagedrift_resolver.core.proxy import Proxy
from imagedrift_resolver.core.url import Url

HEADERS_CAP: Final = 64 * 1024
MOST_INTERIM: Final = 8
WANTS_CREDENTIAL: Final = 407


async def tunnel(end: End, proxy: Proxy, url: Url) -> None:
    """Ask a proxy for a way to a url's host. Raises `Broken` with the proxy's refusal."""
    target = f"{url.host}:{url.port}"
    connection = h11.Connection(h11.CLIENT, max_incomplete_event_size=HEADERS_CAP)
    headers = [("Host", target), ("User-Agent", "imagedrift"), *headers_for(proxy)]
    request = h11.Request(method="CONNECT", target=target, headers=headers)
    end.write((connection.send(request) or b"") + (connection.send(h11.EndOfMessage()) or b""))
    try:
        status = await _status(end, connection)
    except h11.ProtocolError as error:
        raise Broken(f"{proxy}: its response is not HTTP, or ended early") from error
    if not 200 <= status < 300:
        raise Broken(refusal(proxy, status))
    if connection.trailing_data[0]:
        raise Broken(f"{proxy}: sent more than its response to CONNECT")


def headers_for(proxy: Proxy) -> list[tuple[str, str]]:
    """Return the headers that are meant for the proxy alone."""
    if proxy.authorization is None:
        return []
    return [("Proxy-Authorization", proxy.authorization.reveal())]


def refusal(proxy: Proxy, status: int) -> str:
    """Say what a proxy's own refusal means."""
    if status != WANTS_CREDENTIAL:
        return f"{proxy} refuses to connect to it: it answers {status}"
    if proxy.authorization:
        return f"{proxy} does not accept the credential that it was shown"
    return f"{proxy} wants a credential: give its url as http://user:password@host:port"


async def _status(end: End, connection: h11.Connection) -> int:
    blanks = Blanks()
    for _ in range(MOST_INTERIM):
        event: Any = connection.next_event()
        while event is h11.NEED_DATA:
            data = await end.read()
            if blanks.are_too_many(data):
                raise Broken("the proxy's response has more blanks in a row than any meant well")
            connection.receive_data(data)
            event = connection.next_event()
        if isinstance(event, h11.Response):
            return event.status_code
        if not isinstance(event, h11.InformationalResponse):
            break
    raise Broken("the proxy's response never begins")
