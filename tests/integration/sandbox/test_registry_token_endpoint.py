"""Tokens: given for a password or an identity token, and ended as the vendor does."""

import aiohttp
import pytest

from imagedrift_sandbox.registry import (
    Auth,
    SandboxRegistry,
    Scheme,
)


@pytest.mark.parametrize(
    ("form", "status"),
    [
        ({"grant_type": "password", "username": "ann", "password": "right"}, 200),
        ({"grant_type": "password", "username": "ann", "password": "wrong"}, 403),
        ({"grant_type": "refresh_token", "refresh_token": "identity"}, 200),
        ({"grant_type": "refresh_token", "refresh_token": "other"}, 403),
    ],
)
async def test_a_token_is_given_for_a_password_or_an_identity_token(
    registry: SandboxRegistry, client: aiohttp.ClientSession, form: dict[str, str], status: int
) -> None:
    """POST takes both grants, and refuses with the status that was configured."""
    registry.auth = Auth(
        scheme=Scheme.BEARER,
        users={"ann": "right"},
        identity_tokens={"identity": "ann"},
        private=("*",),
        token_field="access_token",
        expires_in=None,
        refused_status=403,
    )
    registry.push_image("a", "1")
    form = form | {"service": "sandbox", "scope": "repository:a:pull", "client_id": "test"}
    async with client.post("/token", data=form) as response:
        assert response.status == status
        told = await response.json()
    if status == 200:
        assert set(told) == {"access_token"}
        headers = {"Authorization": f"Bearer {told['access_token']}"}
        async with client.head("/v2/a/manifests/1", headers=headers) as response:
            assert response.status == 200


async def test_a_login_is_given_an_identity_token(
    registry: SandboxRegistry, client: aiohttp.ClientSession
) -> None:
    """A client that asks with a password gets the token that stands for the password later."""
    registry.auth = Auth(
        scheme=Scheme.BEARER, users={"ann": "right"}, identity_tokens={"identity": "ann"}
    )
    headers = {"Authorization": aiohttp.encode_basic_auth("ann", "right")}
    query = {"offline_token": "true", "service": "sandbox"}
    async with client.get("/token", params=query, headers=headers) as response:
        assert (await response.json())["refresh_token"] == "identity"
    async with client.get("/token", params=query) as response:
        assert "refresh_token" not in await response.json()


async def test_an_expired_token_is_refused_as_the_vendor_does(
    registry: SandboxRegistry, client: aiohttp.ClientSession
) -> None:
    """ECR Public's 400 for a token that has ended."""
    registry.auth = Auth(scheme=Scheme.BEARER, expired_status=400)
    async with client.get("/token", params={"scope": "repository:a:pull"}) as response:
        token = (await response.json())["token"]
    registry.tokens.expire_all()
    headers = {"Authorization": f"Bearer {token}"}
    async with client.head("/v2/a/manifests/1", headers=headers) as response:
        assert response.status == 400


async def test_two_registries_can_share_tokens_and_content(registry: SandboxRegistry) -> None:
    """A token of one host's endpoint opens the other host, as with a realm elsewhere."""
    async with SandboxRegistry(store=registry.store, tokens=registry.tokens).serving() as issuer:
        registry.auth = Auth(scheme=Scheme.BEARER, realm=f"{issuer.url}/token")
        registry.push_image("a", "1")
        async with aiohttp.ClientSession() as client:
            where = f"{registry.url}/v2/a/manifests/1"
            async with client.head(where) as response:
                assert f'realm="{issuer.url}/token"' in response.headers["WWW-Authenticate"]
            query = {"scope": "repository:a:pull"}
            async with client.get(f"{issuer.url}/token", params=query) as response:
                token = (await response.json())["token"]
            headers = {"Authorization": f"Bearer {token}"}
            async with client.head(where, headers=headers) as response:
                assert response.status == 200
