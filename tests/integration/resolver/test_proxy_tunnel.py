"""Registries behind an HTTP proxy: what it sees, what it never sees, and how its word is told."""

import ssl
from pathlib import Path

import pytest

from imagedrift_resolver.adapters.routes import proxies_of, routes
from imagedrift_resolver.core.reply import NoResponse, Reply
from imagedrift_resolver.core.url import parse_url
from imagedrift_resolver.settings import ResolverSettings
from imagedrift_runtime import settings
from imagedrift_runtime.registries import operator_file
from imagedrift_sandbox.nats import NatsServer
from imagedrift_sandbox.registry import Auth, Fault, RouteKind, SandboxRegistry, Scheme
from imagedrift_schemas.v1 import Found, Refused, Unreachable
from support.certificates import Authority, tls_server
from support.dialing import http_client
from support.http_proxy import HttpProxy
from support.resolver import trusting, working


def unknown(host: str) -> list[str]:
    """Know no name: only the proxy does."""
    raise OSError(f"asked for {host}")


async def get(url: str, toml: str = "", *, trusted: bool = False, **env: str) -> Reply | NoResponse:
    """Make one request, with these settings and proxies."""
    asking = settings.load(ResolverSettings, env)
    own = http_client(routes(operator_file.parse(toml), proxies_of(asking)), unknown)
    try:
        at = parse_url(url)
        headers = [("Host", at.authority), ("Authorization", "Basic cmVnaXN0cnk=")]
        return await own.send("GET", at, headers, cap=1000, trusted=trusted)
    finally:
        await own.close()


async def test_a_registry_is_found_through_a_proxy(fresh_nats: NatsServer, tmp_path: Path) -> None:
    """A name that only the proxy resolves, with tokens from there as well."""
    async with SandboxRegistry(auth=Auth(scheme=Scheme.BEARER)).serving() as registry:
        registry.push_image("app", "1")
        port = int(registry.host.rpartition(":")[2])
        async with HttpProxy(login="me:secret", hosts={"r.example": port}).serving() as proxy:
            told = proxy.url.replace("//", "//me:secret@")
            toml = trusting("r.example", realms=["127.0.0.1"])
            async with working(fresh_nats.url, tmp_path, toml, http_proxy=told) as client:
                answer = await client.ask("r.example/app:1")
        assert isinstance(answer.outcome, Found)
        assert proxy.targets[0].startswith("http://r.example/v2/app/manifests/1")
        assert all("secret" not in str(seen) for seen in registry.counts.requests)


async def test_https_goes_through_a_tunnel_and_is_verified_end_to_end(tmp_path: Path) -> None:
    """The proxy sees a name and a port; the registry's certificate is the registry's."""
    authority = Authority.made(tmp_path)
    leaf = authority.leaf("r.example")
    async with (
        tls_server(leaf) as port,
        HttpProxy(hosts={"r.example": port, "s.example": port}).serving() as proxy,
    ):
        toml = f'[registry."r.example"]\nca = "{authority.certificate}"\n'
        good = await get("https://r.example/v2/", toml, HTTPS_PROXY=proxy.url)
        bare = await get("https://r.example/v2/", HTTPS_PROXY=proxy.url)
        other = toml.replace("r.example", "s.example")
        misnamed = await get("https://s.example/v2/", other, HTTPS_PROXY=proxy.url)
    assert isinstance(good, Reply)
    assert isinstance(bare, NoResponse)
    assert isinstance(misnamed, NoResponse)
    assert "certificate is not trusted" in bare.reason
    assert "certificate is not trusted" in misnamed.reason
    assert proxy.targets == ["r.example:443", "r.example:443", "s.example:443"]
    assert not any("cmVnaXN0cnk" in head or "/v2/" in head for head in proxy.heads)


@pytest.mark.parametrize("scheme", ["http", "https"])
@pytest.mark.parametrize(
    ("login", "words"), [("", "wants a credential"), ("me:hunter2@", "does not accept")]
)
async def test_a_proxy_that_wants_another_credential_says_so(
    scheme: str, login: str, words: str
) -> None:
    """407 is the proxy's word, and never one about the registry; no password is repeated."""
    async with HttpProxy(login="me:right").serving() as proxy:
        told = proxy.url.replace("//", f"//{login}")
        got = await get(f"{scheme}://r.example/v2/", HTTP_PROXY=told, HTTPS_PROXY=told)
    assert isinstance(got, NoResponse)
    assert f"the proxy 127.0.0.1:{proxy.port} {words}" in got.reason
    assert "hunter2" not in got.reason
    assert got.kind == "closed"


@pytest.mark.parametrize("status", [403, 502, 503])
async def test_a_proxys_own_refusal_is_told_as_the_proxys(status: int) -> None:
    """Of a registry that was never reached nothing is known."""
    async with HttpProxy(refusal=status).serving() as proxy:
        got = await get("https://r.example/v2/", HTTPS_PROXY=proxy.url)
    assert isinstance(got, NoResponse)
    assert f"the proxy 127.0.0.1:{proxy.port} refuses" in got.reason
    assert str(status) in got.reason


async def test_a_proxy_that_is_away_is_named() -> None:
    """An error names the proxy that does not answer, not the registry behind it."""
    got = await get("https://r.example/v2/", HTTPS_PROXY="127.0.0.1:1")
    assert got == NoResponse(
        "closed", "r.example: the proxy 127.0.0.1:1: the connection was refused"
    )


@pytest.mark.parametrize(
    "url",
    [
        "https://10.0.0.5/",
        "https://localhost/",
        "https://intranet/",
        "https://127.1/",
        "http://169.254.1.1/latest",
    ],
)
async def test_inner_targets_are_not_asked_of_a_proxy_unless_named(url: str) -> None:
    """Literal addresses and names of this machine, as a proxy would find its own neighbours."""
    async with HttpProxy(refusal=503).serving() as proxy:
        refused = await get(url, HTTPS_PROXY=proxy.url, HTTP_PROXY=proxy.url)
        assert proxy.heads == []
        await get(url, trusted=True, HTTPS_PROXY=proxy.url, HTTP_PROXY=proxy.url)
        assert len(proxy.heads) == 1
        metadata = "http://169.254.169.254/latest"
        await get(metadata, trusted=True, HTTPS_PROXY=proxy.url, HTTP_PROXY=proxy.url)
        assert len(proxy.heads) == 1
    assert isinstance(refused, NoResponse)
    assert refused.kind == "forbidden"
    assert "name it in registries.toml" in refused.reason


async def test_a_registry_has_a_proxy_of_its_own_or_none(tmp_path: Path) -> None:
    """`proxy` beats the environment: another one, a file that holds one, or `none`."""
    async with (
        SandboxRegistry().serving() as registry,
        HttpProxy(login="me:hunter2").serving() as own,
        HttpProxy().serving() as general,
    ):
        (tmp_path / "proxy").write_text(own.url.replace("//", "//me:hunter2@") + "\n")
        entry = f'[registry."{registry.host}"]\nscheme = "http"\n'
        url = f"http://{registry.host}/v2/"
        for value in (f'proxy = "{tmp_path}/proxy"', f'proxy = "{own.url}"', 'proxy = "none"', ""):
            await get(url, f"{entry}{value}\n", trusted=True, http_proxy=general.url)
    assert (len(own.heads), len(general.heads)) == (2, 1)


async def test_storage_and_realms_go_through_the_registrys_proxy() -> None:
    """A resolver that reaches the registry by a proxy reaches its tokens and storage by it, too."""
    async with HttpProxy(refusal=503).serving() as own:
        toml = (
            f'[registry."r.example"]\nproxy = "{own.url}"\n'
            'realms = ["tokens.example"]\nstorage_hosts = ["data.example:9000"]\n'
        )
        for host in ("r.example", "tokens.example", "data.example:9000"):
            await get(f"https://{host}/", toml)
        await get("https://other.example/", toml)
    assert own.targets == ["r.example:443", "tokens.example:443", "data.example:9000"]


async def test_a_redirect_to_storage_behind_the_proxy(
    fresh_nats: NatsServer, tmp_path: Path
) -> None:
    """A redirect is followed by the same proxy, and never shown the registry's credential."""
    (tmp_path / "password").write_text("hunter2")
    async with SandboxRegistry().serving() as storage, SandboxRegistry().serving() as registry:
        storage.push_image("app", "1")
        registry.misbehave(Fault(kinds=(RouteKind.MANIFEST_HEAD,), redirect="http://data.example"))
        ports = {
            "data.example": int(storage.host.rpartition(":")[2]),
            "r.example": int(registry.host.rpartition(":")[2]),
        }
        async with HttpProxy(hosts=ports).serving() as proxy:
            toml = trusting("r.example", username="me", password_file=f"{tmp_path}/password")
            async with working(fresh_nats.url, tmp_path, toml, http_proxy=proxy.url) as client:
                answer = await client.ask("r.example/app:1")
        assert isinstance(answer.outcome, Found)
        assert [seen.authorization for seen in storage.counts.requests] == [None]


@pytest.mark.parametrize(
    "environment", [{"HTTPS_PROXY": "http://p:hunter2"}, {"http_proxy": "socks5://me:hunter2@p:1"}]
)
def test_a_proxy_that_makes_no_sense_is_named_by_its_variable(
    environment: dict[str, str],
) -> None:
    """At start, without repeating what may be a password."""
    with pytest.raises(settings.SettingsFault) as fault:
        proxies_of(settings.load(ResolverSettings, environment))
    assert next(iter(environment)).upper() in str(fault.value)
    assert "hunter2" not in str(fault.value)


async def test_a_failing_proxy_is_unreachable_and_not_refused(
    fresh_nats: NatsServer, tmp_path: Path
) -> None:
    """The answer changes no verdict; a private registry that is not named stays refused."""
    proxy = HttpProxy(login="me:right")
    async with (
        proxy.serving(),
        working(fresh_nats.url, tmp_path, "", https_proxy=f"127.0.0.1:{proxy.port}") as client,
    ):
        away = await client.ask("r.example.org/app:1")
        inner = await client.ask("10.0.0.5:5000/app:1")
    assert isinstance(away.outcome, Unreachable)
    assert "wants a credential" in away.outcome.reason
    assert isinstance(inner.outcome, Refused)


def test_contexts_of_every_route_check_certificates() -> None:
    """No configuration makes a client that leaves the check out."""
    context = routes(operator_file.parse(""))(parse_url("https://a.example"), False).context
    assert context.verify_mode is ssl.CERT_REQUIRED
    assert context.check_hostname
