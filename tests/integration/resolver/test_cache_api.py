"""The shared cache for others: the micro service, and notifications of a push."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from imagedrift_resolver.adapters import webhook as notifying
from imagedrift_resolver.adapters.webhook import MOST_AT_ONCE, MOST_OF_ONE, Webhook
from imagedrift_runtime.nats.errors import RequestRefused
from imagedrift_runtime.process import NoPort
from imagedrift_sandbox.free_port import free_port
from imagedrift_sandbox.nats import NatsServer
from imagedrift_sandbox.registry import SandboxRegistry
from imagedrift_schemas import codec, subjects
from imagedrift_schemas.reference import ImageReference
from imagedrift_schemas.v1 import Answer
from support.polling import until
from support.resolver import ResolverClient, resolve, trusting, working

SECRET = "a-secret-of-the-webhook"


async def lookup(client: ResolverClient, payload: bytes) -> Answer:
    """Ask the micro service."""
    return codec.decode(await client.nats.request(subjects.RESOLVER_LOOKUP, payload), Answer)


async def test_the_cache_can_be_asked_over_nats(fresh_nats: NatsServer, tmp_path: Path) -> None:
    """The cache answers over NATS, as a micro service."""
    async with SandboxRegistry().serving() as registry:
        registry.push_image("app", "1")
        reference = registry.reference("app", "1")
        async with working(fresh_nats.url, tmp_path, trusting(registry.host)) as client:
            known = await client.ask(reference)
            assert await lookup(client, reference.encode()) == known
            assert await lookup(client, json.dumps({"reference": reference}).encode()) == known
            info = json.loads(await client.nats.request("$SRV.INFO.imagedrift-resolver", b""))
        assert [endpoint["name"] for endpoint in info["endpoints"]] == ["lookup"]
        assert registry.totals().total == 1


@pytest.mark.parametrize(
    ("payload", "code"),
    [
        (b"ghcr.io/nobody/asked:1", "404"),
        (b"NOT A REFERENCE", "400"),
        (b"{", "400"),
        (b"", "400"),
        (f"ghcr.io/a/b@sha256:{'a' * 64}".encode(), "400"),
    ],
)
async def test_a_question_that_has_no_answer_is_told_why(
    fresh_nats: NatsServer, tmp_path: Path, payload: bytes, code: str
) -> None:
    """A request without a cached answer is an error with a sentence."""
    async with working(fresh_nats.url, tmp_path) as client:
        with pytest.raises(RequestRefused) as caught:
            await lookup(client, payload)
    assert caught.value.code == code
    assert caught.value.text


async def test_p7_what_a_credential_opened_is_told_to_its_holder_alone(
    fresh_nats: NatsServer, tmp_path: Path
) -> None:
    """P7: a credential's answer is served only to requests that claim it."""
    async with SandboxRegistry().serving() as registry:
        registry.push_image("app", "1")
        reference = registry.reference("app", "1")
        async with working(fresh_nats.url, tmp_path, trusting(registry.host)) as client:
            private = replace(await client.ask(reference), credential="me")
            await client.answers.put(subjects.answer_key(private), codec.encode(private))
            with pytest.raises(RequestRefused) as caught:
                await lookup(client, reference.encode())
            mine = json.dumps({"reference": reference, "credential": "me"}).encode()
            assert await lookup(client, mine) == private
    assert caught.value.code == "403"
    assert private.last_digest not in caught.value.text


async def post(
    port: int, body: bytes, *, secret: str = SECRET, head: bytes | None = None
) -> tuple[int, bytes]:
    """Send a notification; the status and text that came back."""
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
async def webhook() -> AsyncIterator[int]:
    """A webhook to which nothing has moved; its port."""

    async def nothing_moved(_: tuple[ImageReference, ...]) -> int:
        return 0

    async with Webhook(SECRET, nothing_moved).serving(free_port(), "127.0.0.1") as port:
        yield port


Connection = tuple[asyncio.StreamReader, asyncio.StreamWriter]


async def slow(port: int, source: str) -> Connection:
    """Open a connection from an address, and leave its request unfinished."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port, local_addr=(source, 0))
    writer.write(b"POST / HTTP/1.1\r\nHost: x\r\nX-Slow: ")
    await writer.drain()
    return reader, writer


async def ended(connection: Connection) -> bytes:
    """Read until the connection ends, however it does."""
    try:
        return await connection[0].read()
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


async def test_a_request_that_trickles_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    """A slow webhook request is ended, and frees its connection."""
    monkeypatch.setattr(notifying, "WITHIN_S", 0.3)
    async with webhook() as port:
        held = [await slow(port, "127.0.0.1") for _ in range(MOST_OF_ONE)]
        await asyncio.gather(*map(ended, held))
        status, _ = await post(port, b'{"events":[]}')
    assert status == 202


async def test_all_connections_together_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """The number of webhook connections is bounded."""
    monkeypatch.setattr(notifying, "MOST_AT_ONCE", 4)
    async with webhook() as port:
        held = [await slow(port, f"127.0.0.{number}") for number in range(2, 6)]
        assert await ended(await slow(port, "127.0.0.9")) == b""
        assert not any(reader.at_eof() for reader, _ in held)
