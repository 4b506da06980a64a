"""The sandbox registry misbehaves exactly as told, and only then."""

import asyncio
import time
from collections.abc import AsyncIterator

import aiohttp
import pytest

from imagedrift_sandbox.registry import Fault, RouteKind, SandboxRegistry
from imagedrift_sandbox.registry.faults import (
    html_page,
    latency,
    no_digest_header,
)

MANIFEST = "/v2/a/manifests/1"


@pytest.fixture
async def client(registry: SandboxRegistry) -> AsyncIterator[aiohttp.ClientSession]:
    """An HTTP client of a registry that holds one image."""
    registry.push_image("a", "1")
    async with aiohttp.ClientSession(registry.url) as session:
        yield session


async def test_latency_delays_every_answer(
    registry: SandboxRegistry, client: aiohttp.ClientSession
) -> None:
    """Each answer comes that much later; many at once wait together."""
    registry.misbehave(latency(0.2))
    began = time.monotonic()
    answers = await asyncio.gather(*(client.head(MANIFEST) for _ in range(20)))
    took = time.monotonic() - began

    assert {answer.status for answer in answers} == {200}
    assert 0.2 <= took < 2.0


async def test_a_429_comes_after_so_many_requests(
    registry: SandboxRegistry, client: aiohttp.ClientSession
) -> None:
    """Two pass, then 429 with Retry-After."""
    registry.misbehave(Fault(after=2, status=429, headers={"Retry-After": "7"}))
    answers = [await client.head(MANIFEST) for _ in range(4)]

    assert [answer.status for answer in answers] == [200, 200, 429, 429]
    assert answers[-1].headers["Retry-After"] == "7"
    assert registry.totals().rejected == 2


async def test_a_page_of_html_comes_in_place_of_a_manifest(
    registry: SandboxRegistry, client: aiohttp.ClientSession
) -> None:
    """Status 200, text/html, and no digest."""
    registry.misbehave(html_page())
    async with client.get(MANIFEST) as response:
        assert response.content_type == "text/html"
        assert (await response.text()).startswith("<html>")
        assert "Docker-Content-Digest" not in response.headers


@pytest.mark.parametrize("method", ["HEAD", "GET"])
async def test_the_digest_header_can_be_missing(
    registry: SandboxRegistry, client: aiohttp.ClientSession, method: str
) -> None:
    """The answer is whole but for the header."""
    registry.misbehave(no_digest_header())
    async with client.request(method, MANIFEST) as response:
        assert response.status == 200
        assert "Docker-Content-Digest" not in response.headers


async def test_the_digest_header_can_lie(
    registry: SandboxRegistry, client: aiohttp.ClientSession
) -> None:
    """The header names another digest than the body's."""
    other = f"sha256:{'0' * 64}"
    registry.misbehave(Fault(headers={"Docker-Content-Digest": other}))
    async with client.get(MANIFEST) as response:
        assert response.headers["Docker-Content-Digest"] == other


@pytest.mark.parametrize("status", [405, 404])
async def test_head_can_be_refused_while_get_works(
    registry: SandboxRegistry, client: aiohttp.ClientSession, status: int
) -> None:
    """Only HEAD is struck."""
    registry.misbehave(Fault(kinds=(RouteKind.MANIFEST_HEAD,), status=status, body=""))

    assert (await client.head(MANIFEST)).status == status
    assert (await client.get(MANIFEST)).status == 200


async def test_a_redirect_leads_to_another_host(
    registry: SandboxRegistry, client: aiohttp.ClientSession
) -> None:
    """307 with the same path and query there; the other host sees what the client sends it."""
    async with SandboxRegistry(store=registry.store).serving() as other:
        registry.misbehave(Fault(redirect=other.url))
        async with client.get(f"{MANIFEST}?a=b", allow_redirects=False) as response:
            assert (response.status, response.headers["Location"]) == (
                307,
                f"{other.url}{MANIFEST}?a=b",
            )
        headers = {"Authorization": "Bearer x"}
        async with client.get(MANIFEST, headers=headers) as response:
            assert response.status == 200

        assert [seen.authorization for seen in registry.counts.requests] == [None, "Bearer x"]
        assert [seen.authorization for seen in other.counts.requests] == [None]


async def test_a_body_can_be_cut_short(
    registry: SandboxRegistry, client: aiohttp.ClientSession
) -> None:
    """The length is promised, ten bytes come, the connection closes."""
    registry.misbehave(Fault(truncate=10))
    async with client.get(MANIFEST) as response:
        assert (response.content_length or 0) > 10
        with pytest.raises(aiohttp.ClientPayloadError):
            await response.read()


async def test_a_body_can_be_endless(
    registry: SandboxRegistry, client: aiohttp.ClientSession
) -> None:
    """More than any manifest comes, and more."""
    registry.misbehave(Fault(endless=True))
    async with client.get(MANIFEST) as response:
        read = 0
        while read < 8 * 1024 * 1024:
            read += len(await response.content.readany())
        response.close()

    assert "Content-Length" not in response.headers


async def test_a_body_can_drip(registry: SandboxRegistry, client: aiohttp.ClientSession) -> None:
    """Bytes come one at a time: nothing is complete in a quarter of a second."""
    registry.misbehave(Fault(drip_s=0.01))
    async with client.get(MANIFEST) as response:
        assert response.status == 200
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.25):
                await response.read()
        response.close()


async def test_an_answer_may_never_come(
    registry: SandboxRegistry, client: aiohttp.ClientSession
) -> None:
    """A hang lasts until the client gives up; the registry stops in time all the same."""
    number = registry.misbehave(Fault(hang=True))
    with pytest.raises(TimeoutError):
        await client.head(MANIFEST, timeout=aiohttp.ClientTimeout(total=0.2))
    registry.faults.remove(number)

    assert (await client.head(MANIFEST)).status == 200


async def test_a_connection_can_be_dropped(
    registry: SandboxRegistry, client: aiohttp.ClientSession
) -> None:
    """The connection closes without an answer."""
    registry.misbehave(Fault(drop=True, kinds=(RouteKind.MANIFEST_GET,)))
    with pytest.raises(aiohttp.ServerDisconnectedError):
        await client.get(MANIFEST)

    assert (await client.head(MANIFEST)).status == 200


async def test_headers_are_added_in_any_spelling(
    registry: SandboxRegistry, client: aiohttp.ClientSession
) -> None:
    """A fault without a status leaves the answer and adds its headers."""
    registry.misbehave(Fault(headers={"RateLimit-Limit": "100 ; w=3600", "Warning": "299 - x"}))
    async with client.head(MANIFEST) as response:
        assert response.status == 200
        assert response.headers["ratelimit-limit"] == "100 ; w=3600"
        assert response.headers["Warning"] == "299 - x"
