"""nats-py's client, with five of its habits mended.

- `asyncio.wait_for`, with which nats-py awaits every reply, keeps a cancellation that comes
  together with the reply to itself until Python 3.12 (cpython #86296). A loop that was told to end
  would then go on. Everything that awaits a reply of the server passes here: storing, managing,
  requests.
- nats-py speaks TLS only where the server's INFO asks for it, and that comes in plain text: who
  stands in between could leave it out, and would be sent the password. Where TLS is demanded it is
  spoken before anything is said of us.
- A server that another one tells of is asked with the credentials of the one that told of it, as
  nats-py takes them from the address alone. Without a CA of our own, its certificate has to be
  for a name that was configured: any other host can have a public certificate, too.
- A message that nats-py cannot read ends its read loop, and with it all that is heard: one host
  could so silence a service, again with each delivery. Here a subject that is not UTF-8 is read
  with marks in place of what is wrong, headers that make no sense are left out, and a line is
  taken apart at blanks alone, as servers write it: a vertical tab is a part of a subject.
- nats-py sends a user and a password as they stand in the address. As in every URL they are
  percent-encoded there, since some characters cannot stand in it.
"""

import asyncio
import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final
from urllib.parse import ParseResult, unquote

from imagedrift_runtime.nats.nats_py import nats

HEADERS_READ: Final = 8192
"""Bytes of headers: ours are tens. A megabyte of them would hold the loop for half a second."""

nats.protocol.parser.MSG_RE = re.compile(rb"\AMSG +([^ \r\n]+) +(\d+) +(([^ \r\n]+) +)?(\d+)\r\n")
nats.protocol.parser.HMSG_RE = re.compile(
    rb"\AHMSG +([^ \r\n]+) +(\d+) +(([^ \r\n]+) +)?(\d+) +(\d+)\r\n"
)


class Client(nats.aio.client.Client):  # type: ignore[misc]  # nats-py has no types
    """A client of NATS. `demands_tls`: nothing is said in plain text."""

    def __init__(self, *, demands_tls: bool = False, has_own_ca: bool = False) -> None:
        super().__init__()
        self._demands_tls = demands_tls
        self._has_own_ca = has_own_ca

    async def request(self, *arguments: Any, **options: Any) -> Any:
        """Ask, and wait for the reply."""
        with heeding_cancellation():
            return await super().request(*arguments, **options)

    async def _process_msg(
        self, sid: int, subject: bytes, reply: bytes, data: bytes, headers: bytes | None
    ) -> None:
        """Hand a message to its subscription. One that cannot be is told, and left out."""
        try:
            await super()._process_msg(sid, _utf8(subject), _utf8(reply), data, headers)
        except Exception as error:
            await self._error_cb(error)

    async def _process_headers(self, headers: bytes | None) -> dict[str, str] | None:
        """Read headers; none where nats-py cannot, or would take long."""
        if headers and len(headers) > HEADERS_READ:
            await self._error_cb(ValueError(f"headers longer than {HEADERS_READ} bytes: left out"))
            return None
        try:
            read: dict[str, str] | None = await super()._process_headers(headers)
        except Exception:
            await self._error_cb(ValueError("headers that cannot be read: left out"))
            return None
        return read

    def _connect_command(self) -> bytes:
        """Write the CONNECT line, with the credentials of the address decoded."""
        word, _, options = super()._connect_command().partition(b" ")
        told = json.loads(options)
        decoded = {key: unquote(told[key]) for key in ("user", "pass", "auth_token") if key in told}
        return b"%s %s\r\n" % (word, json.dumps(told | decoded, sort_keys=True).encode())

    async def _process_info(self, info: dict[str, Any], initial_connection: bool = False) -> None:
        """Read a server's facts of itself and of others."""
        if initial_connection and self._demands_tls:
            info["tls_required"] = True
        await super()._process_info(info, initial_connection)
        self._server_pool[:] = adopted(
            self._server_pool, self._current_server.uri, keeps_name=not self._has_own_ca
        )


def _utf8(text: bytes) -> bytes:
    """Return text that can be decoded: what is not UTF-8 in it is replaced."""
    return text if text.isascii() else text.decode(errors="replace").encode()


def adopted(pool: list[Any], teller: ParseResult, *, keeps_name: bool) -> list[Any]:
    """Give servers that another one named the credentials of that one; each is listed once."""
    user, at, _ = teller.netloc.rpartition("@")
    configured = {_address(server.uri) for server in pool if not server.discovered}
    kept: list[Any] = []
    for server in pool:
        if server.discovered and _address(server.uri) in configured:
            continue
        if server.discovered and server.uri.username is None:
            server.uri = server.uri._replace(netloc=f"{user}{at}{server.uri.netloc}")
        if server.discovered and keeps_name:
            server.tls_name = server.tls_name or teller.hostname
        kept.append(server)
    return kept


def _address(uri: ParseResult) -> tuple[str | None, int | None]:
    return uri.hostname, uri.port


@contextmanager
def heeding_cancellation() -> Iterator[None]:
    """Raise a cancellation that arrived meanwhile and that the awaited call did not pass on.

    One of before is none of ours: who tidies up after it can still speak to NATS.
    """
    task = asyncio.current_task()
    before = task.cancelling() if task else 0
    try:
        yield
    finally:
        if task and task.cancelling() > before:
            raise asyncio.CancelledError
