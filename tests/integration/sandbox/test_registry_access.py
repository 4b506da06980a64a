"""The sandbox registry asks for credentials and gives tokens for them."""

import aiohttp

from imagedrift_sandbox.registry import (
    Auth,
    SandboxRegistry,
    Scheme,
)


async def test_a_bearer_token_is_asked_for_given_and_accepted(
    registry: SandboxRegistry, client: aiohttp.ClientSession
) -> None:
    """401 with a challenge; its realm gives a token for its scope; with it, 200."""
    registry.auth = Auth(scheme=Scheme.BEARER, expires_in=77)
    registry.push_image("a", "1")
    async with client.head("/v2/a/manifests/1") as response:
        assert response.status == 401
        challenge = response.headers["WWW-Authenticate"]
    query = {"service": "sandbox", "scope": "repository:a:pull"}
    async with client.get("/token", params=query) as response:
        told = await response.json()
    headers = {"Authorization": f"Bearer {told['token']}"}
    async with client.head("/v2/a/manifests/1", headers=headers) as response:
        assert response.status == 200

    assert challenge == (
        f'Bearer realm="{registry.url}/token",service="sandbox",scope="repository:a:pull"'
    )
    assert told["expires_in"] == 77
    assert registry.totals().token_requests == 1


async def test_basic_credentials_are_asked_for(
    registry: SandboxRegistry, client: aiohttp.ClientSession
) -> None:
    """Basic: 401 with a challenge, 200 with the right password."""
    registry.auth = Auth(scheme=Scheme.BASIC, users={"ann": "right"})
    registry.push_image("a", "1")
    async with client.head("/v2/a/manifests/1") as response:
        assert response.status == 401
        assert response.headers["WWW-Authenticate"] == 'Basic realm="sandbox"'
    headers = {"Authorization": aiohttp.encode_basic_auth("ann", "right")}
    async with client.head("/v2/a/manifests/1", headers=headers) as response:
        assert response.status == 200
