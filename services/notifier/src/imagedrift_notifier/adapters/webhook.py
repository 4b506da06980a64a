"""A webhook: one POST, signed as Standard Webhooks 1.0 has it.

Rules:
- The name is resolved here, and the connection is made to the address that was checked. Whoever
  wrote the address may mean a machine of the inner network; the metadata service of a cloud is no
  receiver, so it is never asked.
- No redirect is followed, no proxy of the environment is used, no cookie is kept.
- A try takes `WITHIN_S` as a whole: an answer that comes a byte at a time holds up nobody.
- A message has the same id at every try: a receiver that heeds it takes it once.
- An error never has a part of the address: it may hold a token.
"""

import asyncio
import logging
import socket
import ssl
from collections.abc import Mapping
from typing import Final
from urllib.parse import urlsplit

import msgspec

from imagedrift_notifier.core.outbound import OutboundMessage
from imagedrift_notifier.core.outcome import Delivered, Doubtful, Failed, SendOutcome
from imagedrift_notifier.core.secret_text import SecretText
from imagedrift_notifier.core.signature import headers
from imagedrift_runtime.clock import Clock
from imagedrift_runtime.httpx_library import httpx
from imagedrift_schemas.network_address import metadata_fault

WITHIN_S: Final = 10.0
AGENT: Final = "imagedrift-notifier"
for _name in ("httpcore", "httpx"):  # they write addresses
    logging.getLogger(_name).setLevel(logging.CRITICAL + 1)
_BEFORE: Final = (httpx.ConnectError, httpx.ConnectTimeout, httpx.UnsupportedProtocol)
"""Failures before anything is sent."""


class WebhookSender:
    """Posts messages."""

    def __init__(
        self, clock: Clock, tls: ssl.SSLContext | None = None, within_s: float = WITHIN_S
    ) -> None:
        self._within_s = within_s
        self._clock = clock
        self._tls = tls or ssl.create_default_context()

    async def post(
        self, address: SecretText, keys: list[bytes], message: OutboundMessage
    ) -> SendOutcome:
        """Send a message, and return the outcome."""
        body = _body(message)
        signed = headers(keys, message.message_id, self._clock.now(), body)
        try:
            url, host = _parts(address)
            reached = await _checked_address(url.host)
        except _NotSent as error:
            return Failed(str(error))
        return await self._send(url.copy_with(host=reached), host, signed, body)

    async def _send(
        self, url: httpx.URL, host: str, signed: Mapping[str, str], body: bytes
    ) -> SendOutcome:
        sent = {"host": host, "content-type": "application/json", "user-agent": AGENT, **signed}
        name = host.rpartition("@")[2].partition(":")[0] if not host.startswith("[") else ""
        try:
            async with (
                asyncio.timeout(self._within_s),
                httpx.AsyncClient(
                    verify=self._tls, trust_env=False, follow_redirects=False, timeout=WITHIN_S
                ) as client,
            ):
                extensions = {"sni_hostname": name} if name else {}
                request = client.build_request(
                    "POST", url, headers=sent, content=body, extensions=extensions
                )
                response = await client.send(request, stream=True)
                await response.aclose()
        except _BEFORE as error:
            return Failed(f"cannot be connected to: {type(error).__name__}")
        except (httpx.HTTPError, httpx.InvalidURL, ssl.SSLError, OSError) as error:
            return Doubtful(f"no answer: {type(error).__name__}")
        status = response.status_code
        return Delivered() if 200 <= status < 300 else Failed(f"answered with status {status}")


class _NotSent(Exception):
    """Nothing was sent; the message has no part of the address."""


def address_fault(address: SecretText) -> str:
    """Name the fault of a webhook's address, without a part of it; empty when there is none."""
    try:
        _parts(address)
    except _NotSent as error:
        return str(error)
    return ""


def _parts(address: SecretText) -> tuple[httpx.URL, str]:
    """Read a URL, and the value of its Host header. Raises `_NotSent`."""
    text = address.reveal()
    wanted = "is no address as https://hooks.example.org/path"
    try:
        url, parts = httpx.URL(text), urlsplit(text)
    except (httpx.InvalidURL, ValueError):
        raise _NotSent(wanted) from None
    if url.scheme not in ("http", "https") or not url.host or not text.isprintable():
        raise _NotSent(wanted)
    return url, parts.netloc.rpartition("@")[2]


async def _checked_address(host: str) -> str:
    """Resolve a name to an address that may be asked. Raises `_NotSent`."""
    loop = asyncio.get_running_loop()
    try:
        async with asyncio.timeout(WITHIN_S):
            found = await loop.getaddrinfo(host, None, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError):
        raise _NotSent("its name cannot be resolved") from None
    addresses = [str(each[4][0]) for each in found]
    allowed = [each for each in addresses if not metadata_fault(each)]
    if not allowed:
        raise _NotSent("is the metadata service of a cloud, which is never asked")
    return allowed[0]


def _body(message: OutboundMessage) -> bytes:
    return msgspec.json.encode(
        {
            "type": message.payload.get("type", ""),
            "timestamp": message.created_at.isoformat(),
            "data": {
                **message.payload.get("data", {}),
                "title": message.title,
                "text": message.body,
            },
        }
    )
