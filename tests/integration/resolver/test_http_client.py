"""A response is bounded in bytes and time, whatever the registry sends."""

import asyncio
from pathlib import Path

import pytest

from imagedrift_sandbox.nats import NatsServer
from imagedrift_sandbox.registry import Auth, Fault, RouteKind, SandboxRegistry, Scheme
from imagedrift_schemas.v1 import Denied, Invalid, Unreachable
from support.resolver import trusting, working


@pytest.mark.parametrize(
    ("fault", "expected"),
    [
        (Fault(kinds=(RouteKind.MANIFEST_GET,), body="x" * 5_000_000), Invalid),
        (Fault(kinds=(RouteKind.MANIFEST_GET,), endless=True), Invalid),
        (Fault(kinds=(RouteKind.MANIFEST_GET,), truncate=20), Invalid),
        (Fault(kinds=(RouteKind.MANIFEST_GET,), headers={"Content-Encoding": "gzip"}), Invalid),
        (Fault(kinds=(RouteKind.MANIFEST_GET,), drop=True), Unreachable),
        (
            Fault(
                kinds=(RouteKind.MANIFEST_GET,),
                headers={"Docker-Content-Digest": f"sha256:{'0' * 64}"},
            ),
            Invalid,
        ),
    ],
)
async def test_a_body_is_bounded_and_proves_itself(
    fresh_nats: NatsServer, tmp_path: Path, fault: Fault, expected: type
) -> None:
    """A body that is too large, endless (CVE-2020-1702), cut, or of another digest is refused."""
    async with SandboxRegistry().serving() as registry:
        registry.push_image("app", "1")
        registry.misbehave(Fault(kinds=(RouteKind.MANIFEST_HEAD,), status=405, body=""))
        registry.misbehave(fault)
        async with working(fresh_nats.url, tmp_path, trusting(registry.host)) as client:
            answer = await client.ask(registry.reference("app", "1"))
        assert isinstance(answer.outcome, expected)


MANIFESTS = (RouteKind.MANIFEST_HEAD, RouteKind.MANIFEST_GET)


@pytest.mark.parametrize(
    ("fault", "expected"),
    [
        (Fault(kinds=(RouteKind.TOKEN,), endless=True), Invalid),
        (Fault(kinds=(RouteKind.TOKEN,), body='{"token":"' + "a" * 70_000 + '"}'), Invalid),
        (Fault(kinds=(RouteKind.TOKEN,), body='{"token":"a\\r\\nX-Evil: 1"}'), Invalid),
        (Fault(kinds=(RouteKind.TOKEN,), redirect="http://127.0.0.1:1"), Invalid),
        (Fault(kinds=MANIFESTS, status=403, endless=True), Denied),
        (
            Fault(kinds=(RouteKind.MANIFEST_HEAD,), headers={"X-Large": "x" * 1_000_000}),
            Unreachable,
        ),
    ],
)
async def test_tokens_errors_and_headers_are_bounded_too(
    fresh_nats: NatsServer, tmp_path: Path, fault: Fault, expected: type
) -> None:
    """64 KiB of a token's answer, nothing after a HEAD, and headers that come to an end."""
    async with SandboxRegistry(auth=Auth(scheme=Scheme.BEARER)).serving() as registry:
        registry.push_image("app", "1")
        registry.misbehave(fault)
        async with working(fresh_nats.url, tmp_path, trusting(registry.host)) as client:
            answer = await client.ask(registry.reference("app", "1"))
        assert isinstance(answer.outcome, expected)


async def test_a_body_that_trickles_is_given_up(fresh_nats: NatsServer, tmp_path: Path) -> None:
    """The deadline is for the whole response, not for each byte of it."""
    async with SandboxRegistry().serving() as registry:
        toml = trusting(registry.host, timeout="1s")
        registry.push_image("app", "1")
        registry.misbehave(Fault(kinds=(RouteKind.MANIFEST_HEAD,), status=405, body=""))
        registry.misbehave(Fault(kinds=(RouteKind.MANIFEST_GET,), drip_s=0.05))
        async with working(fresh_nats.url, tmp_path, toml) as client:
            answer = await client.ask(registry.reference("app", "1"))
    assert isinstance(answer.outcome, Unreachable)
    assert "no complete response within 1 s" in answer.outcome.reason


async def test_no_request_asks_for_compression(fresh_nats: NatsServer, tmp_path: Path) -> None:
    """Bytes that count are bytes as sent: a small body cannot become a large one."""
    seen: list[bytes] = []

    async def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        seen.append(await reader.readuntil(b"\r\n\r\n"))
        writer.write(b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n")
        writer.close()

    server = await asyncio.start_server(accept, "127.0.0.1", 0)
    host = f"127.0.0.1:{server.sockets[0].getsockname()[1]}"
    async with server, working(fresh_nats.url, tmp_path, trusting(host)) as client:
        await client.ask(f"{host}/app:1")
    assert seen[0].startswith(b"HEAD /v2/app/manifests/1 HTTP/1.1\r\n")
    assert b"Accept-Encoding: identity\r\n" in seen[0]
    assert b"User-Agent: imagedrift\r\n" in seen[0]
    assert seen[0].count(b"application/vnd.") == 4
