"""What must never happen on the wire, whoever names the image and whatever the registry says."""

import asyncio
import ssl
import subprocess
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from imagedrift_resolver.adapters import http_client
from imagedrift_resolver.adapters.http_client import HttpClient
from imagedrift_resolver.adapters.names import Names, look_up
from imagedrift_resolver.adapters.routes import Route, routes
from imagedrift_resolver.core.reply import NoResponse, Reply
from imagedrift_resolver.core.url import Url, parse_url
from imagedrift_runtime.registries import operator_file
from imagedrift_sandbox.nats import NatsServer
from imagedrift_sandbox.registry import Auth, Fault, Kind, SandboxRegistry, Scheme
from imagedrift_schemas.v1 import Answer, Denied, Found, Invalid, Refused, Unreachable
from support.nats_client import jetstream
from support.polling import until
from support.programs import require_program
from support.resolver import now, resolve, trusting, working


async def send(
    url: Url, look_up: Callable[[str], list[str]], *, trusted: bool = False, cap: int = 1000
) -> Reply | NoResponse:
    """Make one request with a client of its own, which resolves names in this way."""
    own = HttpClient(lambda *_: Route(ssl.create_default_context()), Names(look_up))
    try:
        headers = [("Host", url.authority)]
        return await own.send("GET", url, headers, cap=cap, trusted=trusted)
    finally:
        await own.close()


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
    """Also where the operator named the host, and by whatever form of the address."""
    url = Url("http", "registry.example.org", 80, "/v2/")
    got = await send(url, lambda _: [address], trusted=trusted)
    assert got == NoResponse(
        "forbidden",
        "registry.example.org is the metadata service of a cloud, which is never asked",
    )


async def test_the_connection_goes_to_the_address_that_was_checked(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A name that resolves to something else the second time is not asked again (rebinding)."""
    asked: list[str] = []
    connected: list[Any] = []

    def look_up(host: str) -> list[str]:
        asked.append(host)
        return ["1.1.1.1"] if len(asked) == 1 else ["127.0.0.1"]

    async def connect(_: Any, address: Any) -> None:
        connected.append(address)
        raise ConnectionRefusedError(111, "refused")

    monkeypatch.setattr(asyncio.get_running_loop(), "sock_connect", connect)
    got = await send(Url("https", "registry.example.org", 443, "/v2/"), look_up)
    assert got == NoResponse("closed", "registry.example.org: the connection was refused")
    assert (asked, connected) == (["registry.example.org"], [("1.1.1.1", 443)])


async def test_forbidden_addresses_of_a_name_are_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    """Only the allowed ones are raced, each once."""
    tried: list[str] = []

    async def connect(_: Any, address: Any) -> None:
        tried.append(address[0])
        raise ConnectionRefusedError(111, "refused")

    monkeypatch.setattr(asyncio.get_running_loop(), "sock_connect", connect)
    addresses = ["10.0.0.1", "1.1.1.1", "::1", "2606:4700::1111", "8.8.8.8"]
    await send(Url("https", "registry.example.org", 443, "/v2/"), lambda _: addresses)
    assert tried == ["2606:4700::1111", "1.1.1.1", "8.8.8.8"]


async def test_a_redirect_takes_no_credential_along(fresh_nats: NatsServer, tmp_path: Path) -> None:
    """The other host sees a request without `Authorization` (GHSA-vh4v-2xq2-g5cg)."""
    (tmp_path / "password").write_text("hunter2")
    async with SandboxRegistry().serving() as other, SandboxRegistry().serving() as registry:
        other.push_image("app", "1")
        registry.misbehave(Fault(kinds=(Kind.MANIFEST_HEAD,), redirect=other.url))
        toml = trusting(registry.host, username="me", password_file=str(tmp_path / "password"))
        async with working(fresh_nats.url, tmp_path, toml) as client:
            answer = await client.ask(registry.reference("app", "1"))
        assert isinstance(answer.outcome, Found)
        assert [seen.authorization for seen in other.counts.requests] == [None]


@pytest.mark.parametrize(
    ("fault", "expected"),
    [
        (Fault(kinds=(Kind.MANIFEST_GET,), body="x" * 5_000_000), Invalid),
        (Fault(kinds=(Kind.MANIFEST_GET,), endless=True), Invalid),
        (Fault(kinds=(Kind.MANIFEST_GET,), truncate=20), Invalid),
        (Fault(kinds=(Kind.MANIFEST_GET,), headers={"Content-Encoding": "gzip"}), Invalid),
        (Fault(kinds=(Kind.MANIFEST_GET,), drop=True), Unreachable),
        (
            Fault(
                kinds=(Kind.MANIFEST_GET,),
                headers={"Docker-Content-Digest": f"sha256:{'0' * 64}"},
            ),
            Invalid,
        ),
    ],
)
async def test_a_body_is_bounded_and_proves_itself(
    fresh_nats: NatsServer, tmp_path: Path, fault: Fault, expected: type
) -> None:
    """Too large, endless (CVE-2020-1702), cut, compressed, missing, or another than its digest."""
    async with SandboxRegistry().serving() as registry:
        registry.push_image("app", "1")
        registry.misbehave(Fault(kinds=(Kind.MANIFEST_HEAD,), status=405, body=""))
        registry.misbehave(fault)
        async with working(fresh_nats.url, tmp_path, trusting(registry.host)) as client:
            answer = await client.ask(registry.reference("app", "1"))
        assert isinstance(answer.outcome, expected)


MANIFESTS = (Kind.MANIFEST_HEAD, Kind.MANIFEST_GET)


@pytest.mark.parametrize(
    ("fault", "expected"),
    [
        (Fault(kinds=(Kind.TOKEN,), endless=True), Invalid),
        (Fault(kinds=(Kind.TOKEN,), body='{"token":"' + "a" * 70_000 + '"}'), Invalid),
        (Fault(kinds=(Kind.TOKEN,), body='{"token":"a\\r\\nX-Evil: 1"}'), Invalid),
        (Fault(kinds=(Kind.TOKEN,), redirect="http://127.0.0.1:1"), Invalid),
        (Fault(kinds=MANIFESTS, status=403, endless=True), Denied),
        (Fault(kinds=(Kind.MANIFEST_HEAD,), headers={"X-Large": "x" * 1_000_000}), Unreachable),
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


async def test_a_body_that_trickles_is_given_up(
    fresh_nats: NatsServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The deadline is for the whole response, not for each byte of it."""
    monkeypatch.setattr(http_client, "WITHIN_S", 1.0)
    async with SandboxRegistry().serving() as registry:
        registry.push_image("app", "1")
        registry.misbehave(Fault(kinds=(Kind.MANIFEST_HEAD,), status=405, body=""))
        registry.misbehave(Fault(kinds=(Kind.MANIFEST_GET,), drip_s=0.05))
        async with working(fresh_nats.url, tmp_path, trusting(registry.host)) as client:
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


@pytest.fixture(scope="session")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A certificate for 127.0.0.1 and localhost that nobody trusts, and its key."""
    home = tmp_path_factory.mktemp("tls")
    key, made = home / "key.pem", home / "certificate.pem"
    require_program("openssl", "apt-get install openssl")
    subprocess.run(
        [
            *("openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2"),
            *("-subj", "/CN=registry", "-addext", "subjectAltName=IP:127.0.0.1,DNS:localhost"),
            *("-keyout", key, "-out", made),
        ],
        check=True,
        capture_output=True,
    )
    return made, key


@asynccontextmanager
async def tls_registry(made: Path, key: Path) -> AsyncIterator[str]:
    """Serve a registry over TLS that knows every tag; yields its host."""
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(made, key)

    async def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while await reader.read(65536):
            writer.write(
                b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n"
                b"Content-Type: application/vnd.oci.image.index.v1+json\r\n"
                b"Docker-Content-Digest: sha256:" + b"a" * 64 + b"\r\n\r\n"
            )
        writer.close()

    server = await asyncio.start_server(accept, "127.0.0.1", 0, ssl=context)
    async with server:
        yield f"127.0.0.1:{server.sockets[0].getsockname()[1]}"


async def test_a_certificate_is_trusted_by_the_configured_authority_alone(
    fresh_nats: NatsServer, tmp_path: Path, certificate: tuple[Path, Path]
) -> None:
    """With `ca` the registry answers over TLS; without it the reason names the certificate."""
    async with tls_registry(*certificate) as host:
        entry = f'[registry."{host}"]\n'
        async with working(fresh_nats.url, tmp_path, entry) as client:
            refused = await client.ask(f"{host}/app:1", ttl_s=1)
        async with working(fresh_nats.url, tmp_path, f'{entry}ca = "{certificate[0]}"\n') as client:
            found = await client.ask(f"{host}/app:1", ttl_s=1)
            again = await client.ask(f"{host}/app:2")
    assert isinstance(refused.outcome, Unreachable)
    assert "certificate is not trusted" in refused.outcome.reason
    assert isinstance(found.outcome, Found)
    assert isinstance(again.outcome, Found)


async def answers(host: str, toml: str) -> bool:
    """Whether a server is spoken to over TLS, with the trust that a configuration gives."""
    own = HttpClient(routes(operator_file.parse(toml)), Names(look_up))
    try:
        url = parse_url(f"https://{host}/token")
        return isinstance(await own.send("GET", url, [("Host", host)], cap=99, trusted=True), Reply)
    finally:
        await own.close()


async def test_a_configured_authority_is_trusted_where_tokens_come_from(
    certificate: tuple[Path, Path],
) -> None:
    """Its own host on another port, as GitLab's, and the hosts in `realms`; nobody else."""
    ca = f'ca = "{certificate[0]}"\n'
    async with tls_registry(*certificate) as tokens:
        elsewhere = tokens.replace("127.0.0.1", "localhost")
        at_port = f'[registry."127.0.0.1:5050"]\n{ca}'
        assert await answers(tokens, at_port)
        assert not await answers(elsewhere, at_port)
        assert await answers(elsewhere, f'{at_port}realms = ["LocalHost"]\n')
        assert not await answers(tokens, f'[registry."a.example"]\n{ca}')


async def test_a_configured_authority_holds_however_the_endpoint_is_spelt(
    certificate: tuple[Path, Path],
) -> None:
    """In capitals; and with the port that https has anyway."""
    ca = f'ca = "{certificate[0]}"\n'
    async with tls_registry(*certificate) as mirror:
        lower, upper = (mirror.replace("127.0.0.1", name) for name in ("localhost", "LOCALHOST"))
        assert await answers(lower, f'[registry."docker.io"]\nendpoint = "{upper}"\n{ca}')
    reached = routes(operator_file.parse(f'[registry."a.example:443"]\n{ca}'))
    assert len(reached(parse_url("https://a.example"), True).context.get_ca_certs()) == 1


async def test_a_server_without_tls_is_told_apart(fresh_nats: NatsServer, tmp_path: Path) -> None:
    """A registry that speaks plain http is not spoken to in plain text unless configured so."""
    async with SandboxRegistry().serving() as registry:
        registry.push_image("app", "1")
        entry = f'[registry."{registry.host}"]\n'
        async with working(fresh_nats.url, tmp_path, entry) as client:
            answer = await client.ask(registry.reference("app", "1"))
        assert isinstance(answer.outcome, Unreachable)
        assert "TLS failed" in answer.outcome.reason
        assert registry.totals().total == 0


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
    """It is kept with its reason, and the next question is answered."""
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
            cache = JetStreamCache(client.answers, now)
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
