"""Notifications of a push over HTTP: taken, refused, and bounded."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from imagedrift_resolver.adapters.webhook import MOST_AT_ONCE, MOST_OF_ONE, Webhook
from imagedrift_runtime.process import NoPort
from imagedrift_sandbox.free_port import free_port
from imagedrift_sandbox.nats import NatsServer
from imagedrift_sandbox.registry import SandboxRegistry
from imagedrift_schemas.reference import ImageReference
from imagedrift_schemas.v1 import Answer
from support.polling import until
from support.resolver import resolve, trusting, working

SECRET = "a-secret-of-the-webhook"


async def post(
    port: int, body: bytes, *, secret: str = SECRET, head: bytes | None = None
) -> tuple[int, bytes]:
    """Send a notification and return the status and text that came back."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    told = (
        head
        or (
            f"POST /?secret={secret} HTTP/1.1\r\nHost: x\r\nContent-Length: {len(body)}\r\n\r\n"
        ).encode()
    )
    writer.write(told + body)
    await writer.drain()
    answer = await asyncio.wait_for(reader.read(), 15)
    writer.close()
    status, _, text = answer.partition(b"\r\n\r\n")
    return int(status.split()[1]), text


def notification(host: str, *tags: str) -> bytes:
    """The notification that the Docker registry sends."""
    events = [
        {
            "action": "push",
            "target": {"repository": "app", "tag": tag},
            "request": {"host": host},
        }
        for tag in tags
    ]
    return json.dumps({"events": events}).encode()


async def test_a_notification_makes_a_known_tag_be_asked_at_once(
    fresh_nats: NatsServer, tmp_path: Path
) -> None:
    """A notification makes a known tag be asked at once, and no unknown one."""
    port = free_port()
    async with SandboxRegistry().serving() as registry:
        registry.push_image("app", "1", seed=1)
        reference = registry.reference("app", "1")
        settings: dict[str, Any] = {"webhook_port": port, "webhook_secret": SECRET}
        async with working(fresh_nats.url, tmp_path, trusting(registry.host), **settings) as client:
            await client.ask(reference, ttl_s=3600)
            moved = registry.push_image("app", "1", seed=2)
            question = resolve(reference)
            assert not await client.put(question)
            status, text = await post(port, notification(registry.host, "1", "2"))
            assert (status, text) == (202, b"1 of 2 tags are looked up again\n")

            async def renewed() -> bool:
                return bool((await client.read(question, Answer)).last_digest == moved.digest)

            await until(renewed, what="the answer after the push")
        assert registry.totals().head_requests == 2


@pytest.mark.parametrize(
    ("body", "secret", "head", "status"),
    [
        (b"{}", SECRET, None, 400),
        (b"no json", SECRET, None, 400),
        (b'{"events":[]}', SECRET, None, 202),
        (b'{"events":[]}', "wrong", None, 401),
        (b"", SECRET, b"GET / HTTP/1.1\r\nHost: x\r\n\r\n", 405),
        (b"", SECRET, b"nonsense\r\n\r\n", 400),
        (b"", SECRET, b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: x\r\n\r\n", 400),
        (b"", SECRET, b"POST / HTTP/1.1\r\nHost: x\r\na:" + b"\t" * 60_000 + b"\0\r\n\r\n", 400),
        (b"x" * 1_100_000, SECRET, None, 413),
    ],
)
async def test_what_is_no_notification_is_refused_with_its_reason(
    fresh_nats: NatsServer,
    tmp_path: Path,
    body: bytes,
    secret: str,
    head: bytes | None,
    status: int,
) -> None:
    """A malformed notification is refused with its reason."""
    port = free_port()
    settings: dict[str, Any] = {"webhook_port": port, "webhook_secret": SECRET}
    async with working(fresh_nats.url, tmp_path, "", **settings):
        got, text = await post(port, body, secret=secret, head=head)
    assert got == status
    assert text
    assert SECRET.encode() not in text


async def test_a_port_for_notifications_that_is_taken_is_named() -> None:
    """A taken webhook port is reported with its variable."""

    async def nothing_moved(_: tuple[ImageReference, ...]) -> int:
        return 0

    port = free_port()
    async with Webhook(SECRET, nothing_moved).serving(port, "127.0.0.1"):
        with pytest.raises(
            NoPort, match=rf"IMAGEDRIFT_WEBHOOK_PORT: 127\.0\.0\.1:{port}: .*in use"
        ):
            async with Webhook(SECRET, nothing_moved).serving(port, "127.0.0.1"):
                pass


@asynccontextmanager
async def webhook(**limits: Any) -> AsyncIterator[int]:
    """Serve a webhook to which nothing has moved, and tell its port."""

    async def nothing_moved(_: tuple[ImageReference, ...]) -> int:
        return 0

    made = Webhook(SECRET, nothing_moved, **limits)
    async with made.serving(free_port(), "127.0.0.1") as port:
        yield port


Connection = tuple[asyncio.StreamReader, asyncio.StreamWriter]


async def slow(port: int, source: str) -> Connection:
    """Open a connection from an address, and leave its request unfinished."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port, local_addr=(source, 0))
    writer.write(b"POST / HTTP/1.1\r\nHost: x\r\nX-Slow: ")
    await writer.drain()
    return reader, writer


async def ended(connection: Connection) -> bytes:
    """Read until the connection ends, however it does; a webhook that holds it fails the test."""
    try:
        return await asyncio.wait_for(connection[0].read(), 15)
    except ConnectionResetError:
        return b""


async def test_one_address_does_not_take_every_connection() -> None:
    """Connections beyond its share are ended at once; another address is answered meanwhile."""
    async with webhook() as port:
        held = [await slow(port, "127.0.0.2") for _ in range(MOST_OF_ONE)]
        beyond = [await slow(port, "127.0.0.2") for _ in range(MOST_AT_ONCE)]
        assert await asyncio.gather(*map(ended, beyond)) == [b""] * len(beyond)
        status, _ = await post(port, b'{"events":[]}')
        assert status == 202
        assert not any(reader.at_eof() for reader, _ in held)


async def test_a_request_that_trickles_is_given_up() -> None:
    """A slow webhook request is ended, and frees its connection."""
    async with webhook(within_s=0.3) as port:
        held = [await slow(port, "127.0.0.1") for _ in range(MOST_OF_ONE)]
        await asyncio.gather(*map(ended, held))
        status, _ = await post(port, b'{"events":[]}')
    assert status == 202


async def test_all_connections_together_are_bounded() -> None:
    """The number of webhook connections is bounded."""
    async with webhook(most_at_once=4) as port:
        held = [await slow(port, f"127.0.0.{number}") for number in range(2, 6)]
        assert await ended(await slow(port, "127.0.0.9")) == b""
        assert not any(reader.at_eof() for reader, _ in held)
