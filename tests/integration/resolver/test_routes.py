"""Authorities and client certificates as the manuals make them, on every Python (R16, R19)."""

from pathlib import Path

import pytest

from imagedrift_agent.adapters.engine_client import EngineClient
from imagedrift_agent.adapters.engine_faults import EngineFault
from imagedrift_agent.core.address import EngineAddress
from imagedrift_resolver.adapters.routes import routes
from imagedrift_resolver.core.reply import NoResponse, Reply
from imagedrift_resolver.core.url import parse_url
from imagedrift_runtime.registries import operator_file
from imagedrift_runtime.registries.operator_file import RegistriesFault
from imagedrift_sandbox.nats import NatsServer
from imagedrift_schemas.v1 import Found
from support.certificates import Authority, Pair, tls_server
from support.dialing import http_client
from support.resolver import working

AUTHORITIES = [
    pytest.param(("basicConstraints = CA:TRUE",), id="basicConstraints that are not critical"),
    pytest.param(
        ("basicConstraints = CA:TRUE,pathlen:0", "authorityKeyIdentifier = issuer:always"),
        id="no subjectKeyIdentifier",
    ),
    pytest.param(
        ("basicConstraints = critical,CA:TRUE", "subjectKeyIdentifier = hash"), id="no keyUsage"
    ),
]


async def get(host: str, toml: str, *, trusted: bool = True) -> Reply | NoResponse:
    """Make one request over TLS, with what a configuration says."""
    own = http_client(routes(operator_file.parse(toml)))
    try:
        url = parse_url(f"https://{host}/v2/")
        return await own.send("GET", url, [("Host", host)], cap=99, trusted=trusted)
    finally:
        await own.close()


@pytest.mark.parametrize("extensions", AUTHORITIES)
async def test_an_authority_of_the_manuals_is_accepted(
    fresh_nats: NatsServer, tmp_path: Path, extensions: tuple[str, ...]
) -> None:
    """A CA made by the manuals is accepted (python/cpython#107361, canonical/microk8s#5537)."""
    authority = Authority.made(tmp_path, *extensions)
    async with tls_server(authority.leaf("127.0.0.1")) as port:
        host = f"127.0.0.1:{port}"
        toml = f'[registry."{host}"]\nca = "{authority.certificate}"\n'
        async with working(fresh_nats.url, tmp_path, toml) as client:
            answer = await client.ask(f"{host}/app:1")
    assert isinstance(answer.outcome, Found)


async def test_an_authority_below_another_one_can_be_named_alone(tmp_path: Path) -> None:
    """An intermediate CA can be trusted alone, as in Go."""
    root = Authority.made(tmp_path)
    signed = root.leaf("inner", "basicConstraints = CA:TRUE")
    inner = Authority(signed.certificate, signed.key, tmp_path)
    async with tls_server(inner.leaf("127.0.0.1")) as port:
        toml = f'[registry."127.0.0.1:{port}"]\nca = "{inner.certificate}"\n'
        assert isinstance(await get(f"127.0.0.1:{port}", toml), Reply)


@pytest.mark.parametrize(
    "extensions", [("subjectAltName = DNS:other.example",), ("subjectAltName = IP:10.0.0.9",)]
)
async def test_a_certificate_for_another_host_stays_refused(
    tmp_path: Path, extensions: tuple[str, ...]
) -> None:
    """A certificate for another host is refused."""
    authority = Authority.made(tmp_path)
    async with tls_server(authority.leaf("127.0.0.1", *extensions)) as port:
        toml = f'[registry."127.0.0.1:{port}"]\nca = "{authority.certificate}"\n'
        got = await get(f"127.0.0.1:{port}", toml)
    assert isinstance(got, NoResponse)
    assert "certificate is not trusted" in got.reason


async def test_a_common_name_holds_only_for_its_own_host(tmp_path: Path) -> None:
    """A common name without `subjectAltName` counts for its own host only."""
    authority = Authority.made(tmp_path)
    own, other = (authority.leaf(n, "keyUsage = digitalSignature") for n in ("localhost", "other"))
    for pair, expected in ((own, Reply), (other, NoResponse)):
        async with tls_server(pair) as port:
            toml = f'[registry."localhost:{port}"]\nca = "{authority.certificate}"\n'
            assert isinstance(await get(f"localhost:{port}", toml), expected)


@pytest.mark.parametrize("extensions", AUTHORITIES)
async def test_an_engine_behind_an_authority_of_the_manuals_is_asked(
    tmp_path: Path, extensions: tuple[str, ...]
) -> None:
    """An engine with such a CA is read (nats-io/nats.py#699 for NATS)."""
    authority = Authority.made(tmp_path, *extensions)
    (tmp_path / "ca.pem").write_bytes(authority.certificate.read_bytes())
    async with tls_server(authority.leaf("127.0.0.1")) as port:
        address = EngineAddress(host="127.0.0.1", port=port, tls=True, certificates=str(tmp_path))
        async with EngineClient(address) as engine:
            assert await engine.get("/version") == b""
        other = EngineAddress(host="localhost", port=port, tls=True, certificates=str(tmp_path))
        async with EngineClient(other) as engine:
            with pytest.raises(EngineFault, match="certificate"):
                await engine.get("/version")


def client_table(host: str, authority: Authority, client: Pair) -> str:
    """A registry that is shown a client certificate."""
    return (
        f'[registry."{host}"]\nca = "{authority.certificate}"\n'
        f'client_cert = "{client.certificate}"\nclient_key = "{client.key}"\n'
    )


async def test_a_client_certificate_opens_a_registry(
    fresh_nats: NatsServer, tmp_path: Path
) -> None:
    """A client certificate opens a registry (regclient/regclient#454, sigstore/cosign#3922)."""
    authority = Authority.made(tmp_path)
    client = authority.leaf("me")
    async with tls_server(authority.leaf("127.0.0.1"), wants=authority) as port:
        host = f"127.0.0.1:{port}"
        toml = client_table(host, authority, client)
        async with working(fresh_nats.url, tmp_path, toml) as fleet:
            answer = await fleet.ask(f"{host}/app:1")
        bare = await get(host, f'[registry."{host}"]\nca = "{authority.certificate}"\n')
    assert isinstance(answer.outcome, Found)
    assert isinstance(bare, NoResponse)


async def test_a_client_certificate_is_shown_where_a_password_may_be(tmp_path: Path) -> None:
    """A client certificate is sent to the registry and its realms only."""
    authority = Authority.made(tmp_path)
    client = authority.leaf("me")
    async with tls_server(authority.leaf("localhost"), wants=authority) as port:
        own = f"localhost:{port}"
        toml = client_table(own, authority, client)
        assert isinstance(await get(own, toml), Reply)
        assert isinstance(await get(own, toml, trusted=False), NoResponse)
        elsewhere = client_table("r.example", authority, client)
        assert isinstance(await get(own, f'{elsewhere}realms = ["localhost"]\n'), Reply)
        assert isinstance(await get(own, f'{elsewhere}storage_hosts = ["{own}"]\n'), NoResponse)


async def test_storage_may_be_certified_by_the_registrys_authority(tmp_path: Path) -> None:
    """The registry's `ca` is trusted for `storage_hosts`, and for no other host."""
    authority = Authority.made(tmp_path)
    async with tls_server(authority.leaf("localhost")) as port:
        toml = f'[registry."r.example"]\nca = "{authority.certificate}"\n'
        named = f'{toml}storage_hosts = ["LocalHost:{port}"]\n'
        assert isinstance(await get(f"localhost:{port}", named), Reply)
        assert isinstance(await get(f"localhost:{port}", toml), NoResponse)


@pytest.mark.parametrize(
    ("certificate", "key", "words"),
    [
        ("/no/such.pem", "me.key", "client_cert: /no/such.pem: No such file"),
        ("me.crt", "/no/such.key", "client_key: /no/such.key: No such file"),
        ("me.crt", "ca.key", "client_cert: me.crt: is no certificate for which ca.key is the key"),
        ("me.key", "me.key", "client_cert: me.key: is no certificate"),
    ],
)
def test_a_client_certificate_that_cannot_be_used_is_told_at_start(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, certificate: str, key: str, words: str
) -> None:
    """An unusable client certificate is a fault at the start, with its key."""
    Authority.made(tmp_path).leaf("me")
    monkeypatch.chdir(tmp_path)
    toml = f'[registry."a.b"]\nclient_cert = "{certificate}"\nclient_key = "{key}"\n'
    with pytest.raises(RegistriesFault) as fault:
        routes(operator_file.parse(toml))
    assert f"registry.a.b.{words}" in str(fault.value)


def test_a_key_with_a_password_does_not_wait_for_one(tmp_path: Path) -> None:
    """A key with a password is a fault, and does not wait for a terminal."""
    authority = Authority.made(tmp_path)
    locked = tmp_path / "locked.key"
    import subprocess

    subprocess.run(
        ["openssl", "rsa", "-aes256", "-passout", "pass:x", "-in", authority.key, "-out", locked],
        check=True,
        capture_output=True,
    )
    toml = f'[registry."a.b"]\nclient_cert = "{authority.certificate}"\nclient_key = "{locked}"\n'
    with pytest.raises(RegistriesFault, match="without a password"):
        routes(operator_file.parse(toml))
