"""Requests that are never made, whoever names the image and whatever the registry says."""

import ssl
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from imagedrift_resolver.adapters.dialer import SECURE_WITHIN_S, Dialer
from imagedrift_resolver.adapters.host_names import LookUp, NameLimits, Names
from imagedrift_resolver.adapters.http_client import HttpClient
from imagedrift_resolver.adapters.network import SystemNetwork
from imagedrift_resolver.adapters.routes import ConnectionRoute
from imagedrift_resolver.adapters.socket_stream import SocketStream
from imagedrift_resolver.core.reply import NoResponse, Reply
from imagedrift_resolver.core.url import Url
from imagedrift_runtime.clock import SystemClock
from imagedrift_sandbox.nats import NatsServer
from imagedrift_sandbox.registry import Fault, RouteKind, SandboxRegistry
from imagedrift_schemas.v1 import Answer, Found, Refused, Unreachable
from support.dialing import http_client
from support.nats_client import jetstream
from support.polling import until
from support.resolver import now, resolve, trusting, working


async def send(
    url: Url, look_up: LookUp, *, trusted: bool = False, cap: int = 1000
) -> Reply | NoResponse:
    """Make one request with a client of its own, which resolves names in this way."""
    return await send_once(http_client(any_route, look_up), url, trusted=trusted, cap=cap)


async def send_once(
    client: HttpClient, url: Url, *, trusted: bool = False, cap: int = 1000
) -> Reply | NoResponse:
    """Make one request, and close."""
    try:
        headers = [("Host", url.authority)]
        return await client.send("GET", url, headers, cap=cap, trusted=trusted)
    finally:
        await client.close()


def any_route(url: Url, trusted: bool) -> ConnectionRoute:
    """Reach every url directly."""
    return ConnectionRoute(ssl.create_default_context())


class RefusingNetwork(SystemNetwork):
    """A network that connects to nothing, and notes what it should connect to."""

    def __init__(self) -> None:
        self.tried: list[tuple[list[str], int]] = []

    async def race(self, addresses: Sequence[str], port: int) -> tuple[str, SocketStream]:
        """Refuse."""
        self.tried.append((list(addresses), port))
        raise ConnectionRefusedError(111, "refused")


async def send_to(network: RefusingNetwork, look_up: LookUp) -> Reply | NoResponse:
    """Make one request over a network."""
    names = Names(look_up, NameLimits(), SystemClock())
    client = HttpClient(any_route, Dialer(names, network, SECURE_WITHIN_S))
    return await send_once(client, Url("https", "registry.example.org", 443, "/v2/"))


async def test_an_inner_registry_is_asked_only_when_it_is_named(
    fresh_nats: NatsServer, tmp_path: Path
) -> None:
    """Without an entry in `registries.toml` a loopback address is refused by name."""
    async with SandboxRegistry().serving() as registry:
        registry.push_image("app", "1")
        async with working(fresh_nats.url, tmp_path, "") as client:
            answer = await client.ask(registry.reference("app", "1"))
        assert isinstance(answer.outcome, Refused)
        assert registry.totals().total == 0


@pytest.mark.parametrize("address", ["127.0.0.1", "169.254.1.1", "10.0.0.1", "::1"])
async def test_a_name_that_resolves_to_an_inner_address_is_refused(address: str) -> None:
    """The check is made on the resolved address: a public-looking name gains nothing (SSRF).

    The refusal says where it can be allowed (goharbor/harbor#23050).
    """
    got = await send(Url("https", "registry.example.org", 443, "/v2/"), lambda _: [address])
    assert isinstance(got, NoResponse)
    assert got.kind == "forbidden"
    assert "registry.example.org is a " in got.reason
    assert "name it in registries.toml" in got.reason


@pytest.mark.parametrize("trusted", [True, False])
@pytest.mark.parametrize("address", ["169.254.169.254", "fd00:ec2::254", "::ffff:169.254.169.254"])
async def test_a_clouds_metadata_is_never_asked(address: str, trusted: bool) -> None:
    """A cloud's metadata is refused by any form of its address, though an operator named it."""
    url = Url("http", "registry.example.org", 80, "/v2/")
    got = await send(url, lambda _: [address], trusted=trusted)
    assert got == NoResponse(
        "forbidden",
        "registry.example.org is the metadata service of a cloud, which is never asked",
    )


async def test_the_connection_goes_to_the_address_that_was_checked() -> None:
    """A name that resolves to something else the second time is not asked again (rebinding)."""
    asked: list[str] = []
    network = RefusingNetwork()

    def look_up(host: str) -> list[str]:
        asked.append(host)
        return ["1.1.1.1"] if len(asked) == 1 else ["127.0.0.1"]

    got = await send_to(network, look_up)
    assert got == NoResponse("closed", "registry.example.org: the connection was refused")
    assert (asked, network.tried) == (["registry.example.org"], [(["1.1.1.1"], 443)])


async def test_forbidden_addresses_of_a_name_are_left_out() -> None:
    """Only the allowed ones are raced, each once."""
    network = RefusingNetwork()
    addresses = ["10.0.0.1", "1.1.1.1", "::1", "2606:4700::1111", "8.8.8.8"]
    await send_to(network, lambda _: addresses)
    assert network.tried == [(["2606:4700::1111", "1.1.1.1", "8.8.8.8"], 443)]


async def test_a_redirect_takes_no_credential_along(fresh_nats: NatsServer, tmp_path: Path) -> None:
    """The other host sees a request without `Authorization` (GHSA-vh4v-2xq2-g5cg)."""
    (tmp_path / "password").write_text("hunter2")
    async with SandboxRegistry().serving() as other, SandboxRegistry().serving() as registry:
        other.push_image("app", "1")
        registry.misbehave(Fault(kinds=(RouteKind.MANIFEST_HEAD,), redirect=other.url))
        toml = trusting(registry.host, username="me", password_file=str(tmp_path / "password"))
        async with working(fresh_nats.url, tmp_path, toml) as client:
            answer = await client.ask(registry.reference("app", "1"))
        assert isinstance(answer.outcome, Found)
        assert [seen.authorization for seen in other.counts.requests] == [None]


@pytest.mark.parametrize(
    ("payload", "reason"),
    [
        (b"no json", "malformed"),
        (b'{"type":"resolve"}', "malformed"),
        (
            b'{"type":"resolve","registry":"ghcr.io","repository":"../x","tag":"1",'
            b'"asked_at":"2026-11-24T00:00:00Z","fresh_since":"2026-11-24T00:00:00Z"}',
            "bad_reference",
        ),
    ],
)
async def test_a_question_that_makes_no_sense_is_a_dead_letter(
    fresh_nats: NatsServer, tmp_path: Path, payload: bytes, reason: str
) -> None:
    """A senseless question is kept with its reason, and the next question is answered."""
    from imagedrift_schemas import codec, subjects
    from imagedrift_schemas.v1 import DeadLetter

    async with SandboxRegistry().serving() as registry:
        registry.push_image("app", "1")
        async with working(fresh_nats.url, tmp_path, trusting(registry.host)) as client:
            await client.nats.publish("drift.v1.lookup.other.x.y", payload)
            answer = await client.ask(registry.reference("app", "1"))

            async def letter() -> Any:
                info = await jetstream(client.nats).stream_info(subjects.STREAM_DEAD)
                return info.state.messages

            await until(letter, what="a dead letter")
            subject = subjects.dead("imagedrift-resolver")
            message = await jetstream(client.nats).get_last_msg(subjects.STREAM_DEAD, subject)
        assert isinstance(answer.outcome, Found)
        assert codec.decode(message.data, DeadLetter).reason == reason


async def test_an_answer_of_before_does_not_replace_a_newer_one(
    fresh_nats: NatsServer, tmp_path: Path
) -> None:
    """A resolver that was held up between request and answer finds the newer one and gives way."""
    from imagedrift_resolver.adapters.jetstream import JetStreamCache

    async with SandboxRegistry().serving() as registry:
        registry.push_image("app", "1")
        async with working(fresh_nats.url, tmp_path, trusting(registry.host)) as client:
            cache = JetStreamCache(client.answers, client.tags, now)
            question = resolve(registry.reference("app", "1"))
            _, revision = await cache.read(question)
            old = Answer(
                registry=question.registry,
                repository=question.repository,
                tag=question.tag,
                checked_at=question.asked_at,
                outcome=Unreachable(reason="long ago"),
            )
            newer = await client.ask(registry.reference("app", "1"))
            assert await cache.keep(old, revision) == newer
            assert await client.read(question, Answer) == newer
