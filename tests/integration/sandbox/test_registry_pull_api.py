"""The sandbox registry answers, counts and limits as registries do."""

import hashlib

import aiohttp
import pytest

from imagedrift_sandbox.registry import (
    Budget,
    RouteKind,
    SandboxRegistry,
    Shape,
    TagPaging,
    Wait,
)
from imagedrift_sandbox.registry.store import DOCKER_LIST, OCI_INDEX, OCI_MANIFEST

DIGEST = f"sha256:{'0' * 64}"


async def test_the_version_check_names_the_api(client: aiohttp.ClientSession) -> None:
    """GET /v2/ answers 200 and the API's version."""
    async with client.get("/v2/") as response:
        assert response.status == 200
        assert response.headers["Docker-Distribution-Api-Version"] == "registry/2.0"


@pytest.mark.parametrize("shape", Shape)
@pytest.mark.parametrize("method", ["HEAD", "GET"])
async def test_head_and_get_tell_the_same(
    registry: SandboxRegistry, client: aiohttp.ClientSession, shape: Shape, method: str
) -> None:
    """Both give digest, media type and length; GET also the bytes, whose hash is the digest."""
    pushed = registry.push_image("team/api", "1", shape=shape)
    async with client.request(method, "/v2/team/api/manifests/1") as response:
        body = await response.read()

    assert response.headers["Docker-Content-Digest"] == pushed.digest
    assert response.headers["Content-Type"] == pushed.media_type
    assert (response.content_length or 0) > 100
    if method == "GET":
        assert f"sha256:{hashlib.sha256(body).hexdigest()}" == pushed.digest
    else:
        assert body == b""


@pytest.mark.parametrize(
    ("accept", "status"),
    [
        ([OCI_MANIFEST], 404),
        ([OCI_INDEX], 200),
        ([f"{OCI_MANIFEST}, {OCI_INDEX};q=0.5"], 200),
        ([OCI_MANIFEST, OCI_INDEX], 200),
        (["*/*"], 200),
        ([DOCKER_LIST], 404),
    ],
)
async def test_an_index_is_for_those_who_accept_it(
    registry: SandboxRegistry, client: aiohttp.ClientSession, accept: list[str], status: int
) -> None:
    """A client that cannot read the media type gets 404, as registries do; headers may repeat."""
    registry.push_image("a", "1", shape=Shape.INDEX)
    headers = [("Accept", each) for each in accept]
    async with client.get("/v2/a/manifests/1", headers=headers) as response:
        assert response.status == status


async def test_a_registry_may_ignore_accept() -> None:
    """Without negotiation every client gets the index."""
    async with (
        SandboxRegistry(negotiate=False).serving() as registry,
        aiohttp.ClientSession(registry.url) as client,
    ):
        registry.push_image("a", "1", shape=Shape.INDEX)
        async with client.head("/v2/a/manifests/1", headers={"Accept": OCI_MANIFEST}) as response:
            assert response.status == 200


@pytest.mark.parametrize(
    ("path", "code"),
    [
        ("/v2/nowhere/manifests/1", "NAME_UNKNOWN"),
        ("/v2/a/manifests/none", "MANIFEST_UNKNOWN"),
        (f"/v2/a/blobs/{DIGEST}", "BLOB_UNKNOWN"),
        ("/v2/nowhere/tags/list", "NAME_UNKNOWN"),
        ("/v2/a/nonsense", "UNSUPPORTED"),
    ],
)
async def test_what_is_not_there_is_named_in_an_errors_document(
    registry: SandboxRegistry, client: aiohttp.ClientSession, path: str, code: str
) -> None:
    """A 404 carries the specification's error code."""
    registry.push_image("a", "1")
    async with client.get(path) as response:
        document = await response.json()

    assert response.status == 404
    assert document["errors"][0]["code"] == code


async def test_tags_are_listed_in_pages(
    registry: SandboxRegistry, client: aiohttp.ClientSession
) -> None:
    """The link leads from page to page until all tags were told once."""
    for number in range(5):
        registry.push_image("a", f"v{number}")
    where: str | None = "/v2/a/tags/list?n=2"
    seen: list[str] = []
    while where:
        async with client.get(where) as response:
            seen += (await response.json())["tags"]
            where = str(response.links["next"]["url"]) if response.links else None

    assert seen == ["v0", "v1", "v2", "v3", "v4"]


@pytest.mark.parametrize(
    ("paging", "pages", "first"),
    [
        (TagPaging.PLAIN, 3, "1.0"),
        (TagPaging.GHCR, 3, "1.119"),
        (TagPaging.ECR, 3, "1.0"),
        (TagPaging.QUAY, 3, "1.0"),
        (TagPaging.RED_HAT, 3, "1.25"),
    ],
)
async def test_tags_are_listed_in_the_way_of_each_registry(
    registry: SandboxRegistry,
    client: aiohttp.ClientSession,
    paging: TagPaging,
    pages: int,
    first: str,
) -> None:
    """Cursors, tokens and orders differ, and every link leads to the next page."""
    registry.push_tags("team/app", [f"1.{number}" for number in reversed(range(120))])
    registry.tag_paging = paging
    where: str | None = "/v2/team/app/tags/list?n=50"
    seen: list[list[str]] = []
    while where:
        async with client.get(where) as response:
            seen.append((await response.json())["tags"])
            where = str(response.links["next"]["url"]) if response.links else None

    assert len(seen) == pages
    assert seen[0][0] == first
    assert sorted(name for page in seen for name in page) == sorted(
        f"1.{number}" for number in range(120)
    )


async def test_a_budget_is_told_and_kept(
    registry: SandboxRegistry, client: aiohttp.ClientSession
) -> None:
    """Two GETs pass and count down, the third is 429; HEAD is free and shows what is left."""
    registry.push_image("a", "1")
    registry.limit(Budget(limit=2, window_s=3600, wait=Wait.SECONDS))
    seen = []
    for method in ("GET", "HEAD", "GET", "GET"):
        async with client.request(method, "/v2/a/manifests/1") as response:
            seen.append((response.status, response.headers["ratelimit-remaining"]))

    assert seen == [(200, "1;w=3600"), (200, "1;w=3600"), (200, "0;w=3600"), (429, "0;w=3600")]
    assert 3590 < int(response.headers["Retry-After"]) <= 3600


async def test_an_abuse_limit_is_bare_text(
    registry: SandboxRegistry, client: aiohttp.ClientSession
) -> None:
    """A bare 429 has no errors document."""
    registry.limit(
        Budget(limit=0, kinds=(RouteKind.MANIFEST_HEAD, RouteKind.MANIFEST_GET), bare=True)
    )
    async with client.get("/v2/a/manifests/1") as response:
        assert (response.status, await response.text()) == (429, "Too Many Requests")
