"""The real `docker-registry`: open, with passwords, with tokens, as a mirror, and notifying."""

import asyncio
import json
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from imagedrift_sandbox.free_port import free_port
from imagedrift_sandbox.nats import NatsServer
from imagedrift_schemas import codec
from imagedrift_schemas.tags.newer import Newer, newer_in
from imagedrift_schemas.tags.version import read
from imagedrift_schemas.v1 import Answer, Denied, Found, Missing
from support.docker_registry import (
    PASSWORD,
    USER,
    basic,
    htpasswd,
    push,
    push_tags,
    running,
    signed,
    signing_key,
)
from support.polling import until
from support.resolver import resolve, trusting, working

pytestmark = pytest.mark.real

SECRET = "a-secret-of-the-webhook"


def secret_file(home: Path) -> str:
    """The password in a file of its own."""
    (home / "password").write_text(PASSWORD)
    return str(home / "password")


async def test_an_open_registry_is_asked(fresh_nats: NatsServer, tmp_path: Path) -> None:
    """A pushed tag of an open registry is found, and another one is missing."""
    with running(tmp_path / "registry") as host:
        digest = await asyncio.to_thread(push, host, "team/app", "1", "one")
        async with working(fresh_nats.url, tmp_path, trusting(host)) as client:
            found = await client.ask(f"{host}/team/app:1")
            missing = await client.ask(f"{host}/team/app:2")
            described = await client.describe(f"{host}/team/app:1", digest)
    assert found.last_digest == digest
    assert isinstance(missing.outcome, Missing)
    assert [bool(child.config_digest) for child in described.children] == [True]


async def test_three_thousand_tags_are_listed(fresh_nats: NatsServer, tmp_path: Path) -> None:
    """Three pages of a thousand tags are read, and a version of each step is found."""
    tags = [
        f"{major}.{minor}.{patch}"
        for major in range(3)
        for minor in range(20)
        for patch in range(50)
    ]
    with running(tmp_path / "registry") as host:
        await asyncio.to_thread(push_tags, host, "team/app", tags)
        async with working(fresh_nats.url, tmp_path, trusting(host)) as client:
            listed = await client.list_tags(f"{host}/team/app:1.5.7", "1.5.7")
    version = read("1.5.7")
    assert version
    assert (listed.count, listed.truncated, listed.failure) == (3000, "", None)
    assert newer_in(listed, version) == Newer("1.5.49", "1.19.49", "2.19.49", 42 + 14 * 50 + 1000)
    assert len(codec.encode(listed)) < 32 * 1024


async def test_a_registry_with_passwords_is_asked(fresh_nats: NatsServer, tmp_path: Path) -> None:
    """A registry with htpasswd answers with the password only."""
    with running(tmp_path / "registry", htpasswd(tmp_path / "registry")) as host:
        digest = await asyncio.to_thread(push, host, "team/app", "1", "one", basic())
        async with working(fresh_nats.url, tmp_path, trusting(host)) as client:
            denied = await client.ask(f"{host}/team/app:1", ttl_s=1)
        toml = trusting(host, username=USER, password_file=secret_file(tmp_path))
        async with working(fresh_nats.url, tmp_path, toml) as client:
            found = await client.ask(f"{host}/team/app:1")
    assert isinstance(denied.outcome, Denied)
    assert "user name and password" in denied.outcome.reason
    assert (found.last_digest, found.credential) == (digest, USER)


async def test_a_registry_with_tokens_is_asked(fresh_nats: NatsServer, tmp_path: Path) -> None:
    """A registry with a token endpoint accepts its signed tokens."""
    home = tmp_path / "registry"
    key, certificate = await asyncio.to_thread(signing_key, home)

    def token(query: dict[str, list[str]]) -> str:
        kind, name, actions = query["scope"][0].split(":")
        claims: dict[str, object] = {
            "iss": "tokens",
            "sub": "",
            "aud": query["service"][0],
            "exp": int(time.time()) + 300,  # noqa: TID251
            "nbf": int(time.time()) - 10,  # noqa: TID251
            "iat": int(time.time()),  # noqa: TID251
            "jti": "1",
            "access": [{"type": kind, "name": name, "actions": actions.split(",")}],
        }
        return signed(claims, key, certificate)

    pushing = {"service": ["team"], "scope": ["repository:team/app:pull,push"]}
    async with token_endpoint(token) as (realm, asked):
        section = (
            f"auth: {{token: {{realm: '{realm}', service: team, issuer: tokens, "
            f"rootcertbundle: {certificate}}}}}"
        )
        with running(home, section) as host:
            allowed = "Bearer " + await asyncio.to_thread(token, pushing)
            digest = await asyncio.to_thread(push, host, "team/app", "1", "one", allowed)
            async with working(fresh_nats.url, tmp_path, trusting(host)) as client:
                answer = await client.ask(f"{host}/team/app:1")
    assert answer.last_digest == digest
    assert [query["scope"] for query in asked] == [["repository:team/app:pull"]]


async def test_a_pull_through_mirror_is_asked_in_place_of_the_registry(
    fresh_nats: NatsServer, tmp_path: Path
) -> None:
    """A pull-through mirror answers under the registry's name."""
    with (
        running(tmp_path / "upstream") as upstream,
        running(tmp_path / "mirror", f"proxy: {{remoteurl: 'http://{upstream}'}}") as mirror,
    ):
        digest = await asyncio.to_thread(push, upstream, "library/app", "1", "one")
        toml = trusting("docker.io", endpoint=mirror)
        async with working(fresh_nats.url, tmp_path, toml) as client:
            answer = await client.ask("docker.io/library/app:1")
    assert isinstance(answer.outcome, Found)
    assert (answer.registry, answer.last_digest) == ("docker.io", digest)


async def test_a_push_is_known_as_soon_as_the_registry_tells(
    fresh_nats: NatsServer, tmp_path: Path
) -> None:
    """A pushed tag is asked at the registry's notification."""
    port = free_port()
    notifications = (
        "notifications: {endpoints: [{name: imagedrift, timeout: 2s, threshold: 3, backoff: 1s, "
        f"url: 'http://127.0.0.1:{port}/', headers: {{Authorization: ['Bearer {SECRET}']}}}}]}}"
    )
    with running(tmp_path / "registry", notifications) as host:
        first = await asyncio.to_thread(push, host, "team/app", "1", "one")
        settings: dict[str, Any] = {"webhook_port": port, "webhook_secret": SECRET}
        async with working(fresh_nats.url, tmp_path, trusting(host), **settings) as client:
            question = resolve(f"{host}/team/app:1")
            assert (await client.ask(f"{host}/team/app:1", ttl_s=3600)).last_digest == first
            second = await asyncio.to_thread(push, host, "team/app", "1", "two")

            async def renewed() -> bool:
                answer = await client.read(question, Answer)
                return bool(answer.last_digest == second)

            await until(renewed, what="the answer after the push")
    assert first != second


@asynccontextmanager
async def token_endpoint(
    token: Callable[[dict[str, list[str]]], str],
) -> AsyncIterator[tuple[str, list[dict[str, list[str]]]]]:
    """Serve tokens; yields the realm and the queries that were made."""
    asked: list[dict[str, list[str]]] = []

    async def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        request = await reader.readuntil(b"\r\n\r\n")
        query = parse_qs(urlsplit(request.split()[1].decode()).query)
        asked.append(query)
        body = json.dumps({"token": await asyncio.to_thread(token, query)}).encode()
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n")
        writer.write(f"Content-Length: {len(body)}\r\n\r\n".encode() + body)
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(accept, "127.0.0.1", 0)
    async with server:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/token", asked
