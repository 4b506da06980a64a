"""Which certificate authority is trusted where, as `registries.toml` says."""

import asyncio
import ssl
import subprocess
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from imagedrift_resolver.adapters.routes import routes
from imagedrift_resolver.core.reply import Reply
from imagedrift_resolver.core.url import parse_url
from imagedrift_runtime.registries import operator_file
from imagedrift_sandbox.nats import NatsServer
from imagedrift_sandbox.registry import SandboxRegistry
from imagedrift_schemas.v1 import Found, Unreachable
from support.dialing import http_client
from support.programs import require_program
from support.resolver import working


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
    own = http_client(routes(operator_file.parse(toml)))
    try:
        url = parse_url(f"https://{host}/token")
        return isinstance(await own.send("GET", url, [("Host", host)], cap=99, trusted=True), Reply)
    finally:
        await own.close()


async def test_a_configured_authority_is_trusted_where_tokens_come_from(
    certificate: tuple[Path, Path],
) -> None:
    """An authority counts on other ports of its host, as GitLab's, and for hosts in `realms`."""
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
