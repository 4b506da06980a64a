"""Each vendor's profile are those that a client has to cope with."""

import re
from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import pytest

from imagedrift_sandbox.registry import RouteKind, SandboxRegistry, Vendor, imitate
from imagedrift_sandbox.registry.vendors import PROFILES

MANIFEST = "/v2/app/manifests/1"
ANONYMOUS = [vendor for vendor in Vendor if PROFILES[vendor].auth.scheme == "bearer"]
BASIC = [Vendor.ECR, Vendor.NEXUS]
OPEN = [Vendor.KUBERNETES, Vendor.RED_HAT]


@pytest.fixture
async def elsewhere(registry: SandboxRegistry) -> AsyncIterator[SandboxRegistry]:
    """Another host of the same registry; the image is there."""
    registry.push_image("app", "1")
    async with SandboxRegistry(store=registry.store, tokens=registry.tokens).serving() as other:
        yield other


@pytest.fixture
async def client() -> AsyncIterator[aiohttp.ClientSession]:
    """An HTTP client that follows no redirect by itself."""
    async with aiohttp.ClientSession() as session:
        yield session


async def head(client: aiohttp.ClientSession, url: str, authorization: str = "") -> Any:
    """A HEAD; its answer."""
    headers = {"Authorization": authorization} if authorization else {}
    return await client.head(url, headers=headers, allow_redirects=False)


async def exchange(client: aiohttp.ClientSession, challenge: str) -> dict[str, Any]:
    """The response of a challenge's token endpoint to an anonymous request."""
    fields = dict(re.findall(r'(\w+)="([^"]*)"', challenge.partition(", Basic")[0]))
    query = {"service": fields["service"], "scope": "repository:app:pull"}
    async with client.get(fields["realm"], params=query) as response:
        return dict(await response.json()) | {"realm": fields["realm"]}


@pytest.mark.parametrize("vendor", ANONYMOUS)
async def test_an_anonymous_token_leads_to_the_digest(
    registry: SandboxRegistry,
    elsewhere: SandboxRegistry,
    client: aiohttp.ClientSession,
    vendor: Vendor,
) -> None:
    """401, a token from where the challenge says, then the manifest, where it says."""
    imitate(registry, vendor, elsewhere=elsewhere)
    profile = PROFILES[vendor]
    first = await head(client, registry.url + MANIFEST)
    told = await exchange(client, first.headers["WWW-Authenticate"])
    bearer = f"Bearer {told.get('token') or told['access_token']}"
    second = await head(client, registry.url + MANIFEST, bearer)
    if profile.manifests_elsewhere:
        assert second.headers["Location"] == elsewhere.url + MANIFEST
        second = await head(client, second.headers["Location"], bearer)

    issuer = elsewhere if profile.tokens_elsewhere else registry
    assert first.status == 401
    assert told["realm"] == issuer.url + profile.auth.token_path
    assert issuer.totals().of(RouteKind.TOKEN) == 1
    assert (second.status, "Docker-Content-Digest" in second.headers) == (200, True)


@pytest.mark.parametrize("vendor", BASIC)
async def test_basic_credentials_lead_to_an_answer(
    registry: SandboxRegistry,
    elsewhere: SandboxRegistry,
    client: aiohttp.ClientSession,
    vendor: Vendor,
) -> None:
    """A Basic challenge in the vendor's spelling; with the password, an answer to GET."""
    imitate(registry, vendor, users={"AWS": "secret"})
    first = await head(client, registry.url + MANIFEST)
    headers = {"Authorization": aiohttp.encode_basic_auth("AWS", "secret")}
    async with client.get(registry.url + MANIFEST, headers=headers) as response:
        assert response.status == 200

    assert first.headers["WWW-Authenticate"].lower().startswith("basic realm=")


@pytest.mark.parametrize("vendor", OPEN)
async def test_some_ask_for_nothing(
    registry: SandboxRegistry,
    elsewhere: SandboxRegistry,
    client: aiohttp.ClientSession,
    vendor: Vendor,
) -> None:
    """A redirect to another host, or an answer without a digest and of no image's media type."""
    imitate(registry, vendor, elsewhere=elsewhere)
    first = await head(client, registry.url + MANIFEST)

    if vendor is Vendor.KUBERNETES:
        assert (first.status, first.headers["Location"]) == (307, elsewhere.url + MANIFEST)
    else:
        assert (first.status, first.headers["Content-Type"]) == (200, "text/plain")
        assert "Docker-Content-Digest" not in first.headers


async def test_a_vendor_with_two_hosts_needs_two_registries(registry: SandboxRegistry) -> None:
    """Docker Hub's tokens come from another host: to imitate it with one is an error."""
    with pytest.raises(ValueError, match="docker_hub needs a second registry"):
        imitate(registry, Vendor.DOCKER_HUB)


async def test_imitating_another_vendor_forgets_the_first(
    registry: SandboxRegistry, elsewhere: SandboxRegistry, client: aiohttp.ClientSession
) -> None:
    """Rules, faults and budgets of the vendor before are gone."""
    imitate(registry, Vendor.DOCKER_HUB, elsewhere=elsewhere)
    imitate(registry, Vendor.RED_HAT)
    imitate(registry, Vendor.HARBOR)
    first = await head(client, registry.url + MANIFEST)

    assert f'realm="{registry.url}/service/token"' in first.headers["WWW-Authenticate"]
    assert first.headers["Content-Type"].startswith("application/json")
    assert "ratelimit-limit" not in first.headers
