"""HTTP/1.1 to an engine: over a unix socket, TCP or TLS, by h11.

Rules:
- Every call is bounded in time and in bytes; what goes wrong is one `EngineFault` that says which
  call it was and what the engine did.
- A connection serves one call at a time and is kept for the next one, unless the call failed: what
  comes after that belongs to nobody. Nothing stays open between two passes but the event stream.
- A stream has no time-out, not even for its head: some engines send none before the first event
  (containers/podman#23712), and silence is an answer there.
- Over TCP the kernel asks whether the other end is still there: a machine that lost its power sends
  no end, and the stream of events would be waited for, for ever.
- A general client would cost a third of this agent's memory, see docs/agent.md.
"""

import asyncio
import socket
import ssl
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import h11

from imagedrift_agent.core.address import Address
from imagedrift_agent.core.survey import SourceFault
from imagedrift_runtime import tls

CONNECT_WITHIN_S = 5
ANSWER_WITHIN_S = 30
HEAD_WITHIN_S = 2.0
"""After how much silence a stream counts as begun, although it has sent no head."""
MAX_BODY = 64 * 1024 * 1024
CHUNK = 64 * 1024
SILENT_S, ASKED_EVERY_S, ASKED = 30, 10, 3
"""After how much silence the other end is asked, how often, and how many times in vain."""


class EngineFault(SourceFault):
    """The engine cannot be reached, is too slow, or says what we do not understand."""


class NotConnected(EngineFault):
    """Nobody takes the connection: the engine is away, whatever the call was about."""


class Late(EngineFault):
    """The engine did not answer this call in its time."""


class Refused(EngineFault):
    """The engine answered this call with an error, or with what it never says there."""


class Denied(Refused):
    """Whoever stands before the engine does not let this call through."""


class NotThere(Refused):
    """The engine knows no such image or container (it went while we were looking)."""


_KINDS = {401: Denied, 403: Denied, 404: NotThere, 405: Denied}


class Connection:
    """A connection to an engine, opened when it is first used, and again when it was closed."""

    def __init__(self, address: Address, answer_within_s: float = ANSWER_WITHIN_S) -> None:
        self._address = address
        self._answer_within_s = answer_within_s
        self._h11 = h11.Connection(h11.CLIENT)
        self._reader: asyncio.StreamReader | None = None
        self._writer: asyncio.StreamWriter | None = None

    async def __aenter__(self) -> "Connection":
        return self

    async def __aexit__(self, *_: object) -> None:
        self.close()

    @property
    def is_open(self) -> bool:
        """Tell whether the next call uses a connection that served another one."""
        return self._writer is not None

    async def get(self, target: str, within_s: float | None = None, at_most: int = 0) -> bytes:
        """Fetch a whole body. Raises `EngineFault`, `NotThere` for a 404."""
        try:
            async with _bounded(target, within_s or self._answer_within_s):
                await self._send(target)
                status = await self._head(target)
                body = await self._whole_body(target, at_most or MAX_BODY)
                self._ready_for_next()
        except BaseException:
            self.close()
            raise
        if status != 200:
            raise _refused(target, status, body)
        return body

    async def stream(self, target: str) -> AsyncGenerator[bytes, None]:
        """Follow a body that does not end, chunk by chunk; the first is empty: it has begun.

        A head that comes late is told by a second empty chunk.
        """
        async with _bounded(target, None):
            await self._send(target)
            status = await self._early_head(target)
            if status is None:
                yield b""
                status = await self._head(target)
            if status != 200:
                raise _refused(target, status, await anext(self._body(), b""))
            yield b""
            async for chunk in self._body():
                yield chunk

    def close(self) -> None:
        """Close the connection; the next use opens it again."""
        if self._writer:
            self._writer.close()
        self._reader = self._writer = None
        self._h11 = h11.Connection(h11.CLIENT)

    async def _send(self, target: str) -> None:
        """Send the request."""
        writer = await self._opened()
        headers = [("Host", self._address.host or "localhost"), ("Accept", "application/json")]
        request = h11.Request(method="GET", target=target, headers=headers)
        writer.write((self._h11.send(request) or b"") + (self._h11.send(h11.EndOfMessage()) or b""))

    async def _head(self, target: str) -> int:
        """Read the head of the response."""
        response = await self._next_event()
        while isinstance(response, h11.InformationalResponse):
            response = await self._next_event()
        if not isinstance(response, h11.Response):
            raise EngineFault(f"GET {target}: the engine closed the connection")
        return int(response.status_code)

    async def _early_head(self, target: str) -> int | None:
        """Read the head if it comes soon; reading goes on later where it stopped."""
        try:
            async with asyncio.timeout(HEAD_WITHIN_S) as bound:
                return await self._head(target)
        except TimeoutError:
            if not bound.expired():  # TCP's own
                raise
            return None

    async def _whole_body(self, target: str, at_most: int) -> bytes:
        body = bytearray()
        async for chunk in self._body():
            body += chunk
            if len(body) > at_most:
                raise EngineFault(f"GET {target}: more than {at_most} bytes")
        return bytes(body)

    async def _opened(self) -> asyncio.StreamWriter:
        if self._writer is None:
            try:
                async with _bounded(f"of {self._address}", CONNECT_WITHIN_S):
                    self._reader, self._writer = await _open(self._address)
            except EngineFault as fault:
                raise NotConnected(str(fault)) from fault
        return self._writer

    async def _body(self) -> AsyncIterator[bytes]:
        while isinstance(event := await self._next_event(), h11.Data):
            yield bytes(event.data)

    async def _next_event(self) -> Any:
        assert self._reader is not None
        while (event := self._h11.next_event()) is h11.NEED_DATA:
            data = await self._reader.read(CHUNK)
            if not data and self._h11.their_state is not h11.SEND_BODY:
                raise ConnectionResetError("the engine closed the connection")
            self._h11.receive_data(data)
        return event

    def _ready_for_next(self) -> None:
        unasked, _ = self._h11.trailing_data
        if self._h11.our_state is h11.DONE and self._h11.their_state is h11.DONE and not unasked:
            self._h11.start_next_cycle()
        else:  # "Connection: close", or bytes that nobody asked for (RFC 9112, 6.3)
            self.close()


def _refused(target: str, status: int, body: bytes) -> Refused:
    kind = _KINDS.get(status, Refused)
    return kind(
        f"GET {target.partition('?')[0]}: {status} {body[:200].decode(errors='replace').strip()}"
    )


async def _open(address: Address) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    if address.path:
        return await asyncio.open_unix_connection(address.path)
    context = _context(address) if address.tls else None
    reader, writer = await asyncio.open_connection(address.host, address.port, ssl=context)
    _ask_when_silent(writer.get_extra_info("socket"))
    return reader, writer


def _ask_when_silent(connected: socket.socket) -> None:
    connected.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    connected.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, SILENT_S)
    connected.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPINTVL, ASKED_EVERY_S)
    connected.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPCNT, ASKED)


def _context(address: Address) -> ssl.SSLContext:
    """Trust only the engine's own CA, and show it our certificate."""
    folder = Path(address.certificates)
    if not address.certificates:
        return tls.context_for()
    context = tls.context_for(str(folder / "ca.pem"))
    if (folder / "cert.pem").exists():
        context.load_cert_chain(folder / "cert.pem", folder / "key.pem")
    return context


@asynccontextmanager
async def _bounded(target: str, seconds: float | None) -> AsyncIterator[None]:
    """Give a call its time, and its errors one type that names the path."""
    call = f"GET {target.partition('?')[0]}"
    try:
        async with asyncio.timeout(seconds):
            yield
    except OSError as error:  # of time-outs and TLS as well, whosever they are
        late = isinstance(error, TimeoutError) and not error.strerror
        if late:
            raise Late(f"{call}: no answer in {seconds} s") from error
        raise EngineFault(f"{call}: {error.strerror or error}") from error
    except h11.ProtocolError as error:
        raise EngineFault(f"{call}: broken off, or no HTTP: {error}") from error
