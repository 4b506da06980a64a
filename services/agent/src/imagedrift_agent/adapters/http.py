"""HTTP/1.1 to an engine: over a unix socket, TCP or TLS, by h11.

Rules:
- Every call is bounded in time and in bytes; what goes wrong is one `EngineFault` that says which
  call it was and what the engine did.
- A connection serves one call at a time and is kept for the next one. Nothing stays open between
  two passes but the stream of events.
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
MAX_BODY = 64 * 1024 * 1024
CHUNK = 64 * 1024
SILENT_S, ASKED_EVERY_S, ASKED = 30, 10, 3
"""After how much silence the other end is asked, how often, and how many times in vain."""


class EngineFault(SourceFault):
    """The engine cannot be reached, is too slow, or says what we do not understand."""


class Refused(EngineFault):
    """The engine answered this call with an error, or with what it never says there."""


class NotThere(Refused):
    """The engine knows no such image or container (it went while we were looking)."""


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

    async def get(self, target: str) -> bytes:
        """Fetch a whole body. Raises `EngineFault`, `NotThere` for a 404."""
        async with _bounded(target, self._answer_within_s):
            status = await self._ask(target)
            body = bytearray()
            async for chunk in self._body():
                body += chunk
                if len(body) > MAX_BODY:
                    raise EngineFault(f"GET {target}: more than {MAX_BODY} bytes")
            self._ready_for_next()
        if status != 200:
            raise _refused(target, status, bytes(body))
        return bytes(body)

    async def stream(self, target: str) -> AsyncGenerator[bytes, None]:
        """Follow a body that does not end, chunk by chunk; the first is empty: it has begun."""
        async with _bounded(target, self._answer_within_s):
            status = await self._ask(target)
            if status != 200:
                raise _refused(target, status, await anext(self._body(), b""))
        yield b""
        async with _bounded(target, None):
            async for chunk in self._body():
                yield chunk

    def close(self) -> None:
        """Close the connection; the next use opens it again."""
        if self._writer:
            self._writer.close()
        self._reader = self._writer = None
        self._h11 = h11.Connection(h11.CLIENT)

    async def _ask(self, target: str) -> int:
        """Send the request and read the head of the response."""
        writer = await self._opened()
        headers = [("Host", self._address.host or "localhost"), ("Accept", "application/json")]
        request = h11.Request(method="GET", target=target, headers=headers)
        writer.write((self._h11.send(request) or b"") + (self._h11.send(h11.EndOfMessage()) or b""))
        response = await self._next_event()
        while isinstance(response, h11.InformationalResponse):
            response = await self._next_event()
        if not isinstance(response, h11.Response):
            raise EngineFault(f"GET {target}: the engine closed the connection")
        return int(response.status_code)

    async def _opened(self) -> asyncio.StreamWriter:
        if self._writer is None:
            async with _bounded(f"of {self._address}", CONNECT_WITHIN_S):
                self._reader, self._writer = await _open(self._address)
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
        if self._h11.our_state is h11.DONE and self._h11.their_state is h11.DONE:
            self._h11.start_next_cycle()
        else:  # "Connection: close"
            self.close()


def _refused(target: str, status: int, body: bytes) -> Refused:
    kind = NotThere if status == 404 else Refused
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
        why = f"no answer in {seconds} s" if late else error.strerror or error
        raise EngineFault(f"{call}: {why}") from error
    except h11.ProtocolError as error:
        raise EngineFault(f"{call}: broken off, or no HTTP: {error}") from error
