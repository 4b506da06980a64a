"""Storage on a further host, and time for a registry that needs more or less of it."""

import asyncio
import time
from pathlib import Path

import pytest

from imagedrift_sandbox.nats import NatsServer
from imagedrift_sandbox.registry import Auth, Fault, RouteKind, SandboxRegistry, Scheme
from imagedrift_schemas.v1 import Found, Missing, Refused, Unreachable
from support.resolver import trusting, working


@pytest.mark.parametrize("named", ["localhost", "LOCALHOST:9000", ""])
async def test_storage_on_an_inner_host_is_reached_when_it_is_named(
    fresh_nats: NatsServer, tmp_path: Path, named: str
) -> None:
    """Storage is asked without the credential (distribution/distribution#3284)."""
    (tmp_path / "password").write_text("hunter2")
    async with SandboxRegistry().serving() as storage, SandboxRegistry().serving() as registry:
        storage.push_image("app", "1")
        inner = storage.url.replace("127.0.0.1", "localhost")
        registry.misbehave(
            Fault(kinds=(RouteKind.MANIFEST_HEAD, RouteKind.MANIFEST_GET), redirect=inner)
        )
        toml = trusting(
            registry.host,
            username="me",
            password_file=f"{tmp_path}/password",
            storage_hosts=[named] if named else [],
        )
        async with working(fresh_nats.url, tmp_path, toml) as client:
            answer = await client.ask(registry.reference("app", "1"))
        assert isinstance(answer.outcome, Found if named else Refused)
        if not named:
            assert isinstance(answer.outcome, Refused)
            assert "storage_hosts" in answer.outcome.reason
        assert all(seen.authorization is None for seen in storage.counts.requests)


async def test_a_mirror_behind_a_path_is_asked_there(
    fresh_nats: NatsServer, tmp_path: Path
) -> None:
    """The path stands before every repository, in the request and in the token's scope.

    moby/moby#47144, GoogleContainerTools/kaniko#1618.
    """
    async with SandboxRegistry(auth=Auth(scheme=Scheme.BEARER)).serving() as harbor:
        harbor.push_image("hub-proxy/cache/team/app", "1")
        toml = trusting("quay.io", endpoint=f"{harbor.host}/hub-proxy/cache")
        async with working(fresh_nats.url, tmp_path, toml) as client:
            answer = await client.ask("quay.io/team/app:1")
            absent = await client.ask("quay.io/team/other:1")
        assert isinstance(answer.outcome, Found)
        assert isinstance(absent.outcome, Missing)


async def test_a_registry_has_the_time_that_its_table_gives(
    fresh_nats: NatsServer, tmp_path: Path
) -> None:
    """A short time-out ends the wait for a registry that accepts and says nothing."""

    async def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()
        writer.close()

    server = await asyncio.start_server(accept, "127.0.0.1", 0)
    host = f"127.0.0.1:{server.sockets[0].getsockname()[1]}"
    async with server, working(fresh_nats.url, tmp_path, trusting(host, timeout="300ms")) as client:
        began = time.monotonic()
        answer = await client.ask(f"{host}/app:1")
        took = time.monotonic() - began
    assert isinstance(answer.outcome, Unreachable)
    assert "no complete response within 0.3 s" in answer.outcome.reason
    assert took < 5
