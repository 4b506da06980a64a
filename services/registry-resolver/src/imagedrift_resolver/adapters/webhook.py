"""The HTTP endpoint that registries notify of a push: `POST /`, one request per connection.

Served by asyncio and h11, which the resolver has anyway: one method, one path and one answer need
no web framework. A request is bounded in size and time before the secret is looked at: how many
connections there are, how many of them one address has, how long each takes, and how many bytes.
"""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Final

import h11

from imagedrift_resolver.adapters.header_guard import HeaderGuard
from imagedrift_resolver.core.notification import BODY_CAP, Unreadable, moved_tags
from imagedrift_resolver.core.webhook_auth import has_secret
from imagedrift_runtime import metrics
from imagedrift_runtime.logs import get_logger
from imagedrift_runtime.process import NoPort
from imagedrift_schemas.reference import ImageReference

log = get_logger()

WITHIN_S: Final = 10.0
MOST_AT_ONCE: Final = 64
MOST_OF_ONE: Final = 32
"""Connections of one address; behind a proxy all have the same."""
_READ: Final = 64 * 1024

Moved = Callable[[tuple[ImageReference, ...]], Awaitable[int]]


class Webhook:
    """Takes notifications and hands on the tags that have moved."""

    def __init__(
        self,
        secret: str,
        moved: Moved,
        within_s: float = WITHIN_S,
        most_at_once: int = MOST_AT_ONCE,
    ) -> None:
        self._within_s = within_s
        self._most_at_once = most_at_once
        self._secret = secret
        self._moved = moved
        self._open: Counter[str] = Counter()

    @asynccontextmanager
    async def serving(self, port: int, address: str) -> AsyncIterator[int]:
        """Serve while the context lasts; yields the port. Port 0 serves nothing.

        Raises `NoPort`.
        """
        if port == 0:
            yield 0
            return
        try:
            server = await asyncio.start_server(self._accept, address, port)
        except OSError as error:
            why = error.strerror or error
            raise NoPort(f"IMAGEDRIFT_WEBHOOK_PORT: {address}:{port}: {why}") from error
        try:
            yield int(server.sockets[0].getsockname()[1])
        finally:
            server.close()
            await server.wait_closed()

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        source = str((writer.get_extra_info("peername") or ("",))[0])
        if self._open.total() >= self._most_at_once or self._open[source] >= MOST_OF_ONE:
            metrics.notifications.add(outcome="refused")
            writer.transport.abort()  # who opens so many is not waited for
            return
        self._open[source] += 1
        try:
            await self._serve(reader, writer)
        finally:
            self._open[source] -= 1
            if not self._open[source]:
                del self._open[source]

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        connection = h11.Connection(h11.SERVER, max_incomplete_event_size=_READ)
        try:
            async with asyncio.timeout(self._within_s):
                request, body = await _read(connection, reader)
                status, text = await self._answer(request, body)
                _respond(connection, writer, status, text)
                await writer.drain()
        except h11.RemoteProtocolError as error:
            if connection.our_state in (h11.IDLE, h11.SEND_RESPONSE):
                _respond(connection, writer, error.error_status_hint, "this is no request")
        except (TimeoutError, OSError) as error:
            log.warning("notification.lost", error=repr(error))
        except Exception:
            log.exception("notification.failed")
        finally:
            writer.close()

    async def _answer(self, request: h11.Request, body: bytes | None) -> tuple[int, str]:
        """Decide about a request: its status, and a sentence for who set it up."""
        if request.method != b"POST":
            return 405, "send notifications by POST"
        if body is None:
            return 413, f"a notification has at most {BODY_CAP} bytes"
        headers = {name.decode(): value.decode("latin-1") for name, value in request.headers}
        target = request.target.decode("latin-1")
        if not has_secret(self._secret, target, headers, body):
            metrics.notifications.add(outcome="refused")
            log.warning("notification.refused")
            return 401, "show the secret: Authorization, X-Hub-Signature-256 or ?secret="
        try:
            references = moved_tags(body)
        except Unreadable as error:
            metrics.notifications.add(outcome="unreadable")
            log.warning("notification.unreadable", error=str(error))
            return 400, f"not understood: {error}"
        metrics.notifications.add(outcome="taken")
        asked = await self._moved(references)
        log.info("notification.taken", tags=len(references), asked=asked)
        return 202, f"{asked} of {len(references)} tags are looked up again"


async def _read(
    connection: h11.Connection, reader: asyncio.StreamReader
) -> tuple[h11.Request, bytes | None]:
    """Read a request; its body is None when it is too large."""
    request: h11.Request | None = None
    body, guard = bytearray(), HeaderGuard()
    while True:
        event = connection.next_event()
        if event is h11.NEED_DATA:
            data = await reader.read(_READ)
            if guard.is_hostile(data):
                raise h11.RemoteProtocolError("too many blanks in a row", error_status_hint=400)
            connection.receive_data(data)
        elif isinstance(event, h11.Request):
            request = event
        elif isinstance(event, h11.Data):
            body += event.data
            if len(body) > BODY_CAP and request:
                return request, None
        elif isinstance(event, h11.EndOfMessage) and request:
            return request, bytes(body)
        else:
            raise h11.RemoteProtocolError("the connection ended", error_status_hint=400)


def _respond(
    connection: h11.Connection, writer: asyncio.StreamWriter, status: int, text: str
) -> None:
    body = f"{text}\n".encode()
    headers = [
        ("Content-Type", "text/plain; charset=utf-8"),
        ("Content-Length", str(len(body))),
        ("Connection", "close"),
    ]
    for event in (
        h11.Response(status_code=status, headers=headers),
        h11.Data(data=body),
        h11.EndOfMessage(),
    ):
        writer.write(connection.send(event) or b"")
