"""The sandbox registry speaks the distribution API, counts, and asks for credentials."""

import hashlib
import json
from collections.abc import AsyncIterator

import aiohttp
import pytest

from imagedrift_sandbox.registry import (
    Auth,
    Budget,
    Kind,
    SandboxRegistry,
    Scheme,
    Shape,
    Wait,
)
from imagedrift_sandbox.registry.store import DOCKER_LIST, OCI_INDEX, OCI_MANIFEST

BLOB = b"a layer" * 1000
DIGEST = f"sha256:{hashlib.sha256(BLOB).hexdigest()}"
MANIFEST = {"schemaVersion": 2, "mediaType": OCI_MANIFEST, "layers": []}


@pytest.fixture
async def client(registry: SandboxRegistry) -> AsyncIterator[aiohttp.ClientSession]:
    """An HTTP client of the registry."""
    async with aiohttp.ClientSession(registry.url) as session:
        yield session


async def upload(client: aiohttp.ClientSession, repository: str, data: bytes) -> str:
    """Push a blob in one request; its digest."""
    digest = f"sha256:{hashlib.sha256(data).hexdigest()}"
    where = f"/v2/{repository}/blobs/uploads/?digest={digest}"
    async with client.post(where, data=data) as response:
        assert response.status == 201
    return digest


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


async def test_a_blob_is_uploaded_in_chunks(client: aiohttp.ClientSession) -> None:
    """POST, two PATCHes in order, PUT: the blob is there; a chunk out of order is refused."""
    async with client.post("/v2/a/blobs/uploads/") as response:
        assert response.status == 202
        where = response.headers["Location"]
    half = len(BLOB) // 2
    async with client.patch(
        where, data=BLOB[:half], headers={"Content-Range": f"0-{half - 1}"}
    ) as response:
        assert (response.status, response.headers["Range"]) == (202, f"0-{half - 1}")
    async with client.patch(where, data=b"x", headers={"Content-Range": "9-9"}) as response:
        assert response.status == 416
    async with client.get(where) as response:
        assert (response.status, response.headers["Range"]) == (204, f"0-{half - 1}")
    async with client.patch(where, data=BLOB[half:]) as response:
        assert response.status == 202
    async with client.put(where, params={"digest": DIGEST}) as response:
        assert response.status == 201
    async with client.get(f"/v2/a/blobs/{DIGEST}") as response:
        assert await response.read() == BLOB


async def test_a_blob_with_another_digest_is_refused(client: aiohttp.ClientSession) -> None:
    """An upload whose bytes are not what the digest says is not kept."""
    wrong = f"sha256:{'0' * 64}"
    async with client.post(f"/v2/a/blobs/uploads/?digest={wrong}", data=BLOB) as response:
        assert response.status == 400
        assert (await response.json())["errors"][0]["code"] == "DIGEST_INVALID"
    async with client.head(f"/v2/a/blobs/{wrong}") as response:
        assert response.status == 404


async def test_an_upload_can_be_given_up(client: aiohttp.ClientSession) -> None:
    """After DELETE the upload is unknown."""
    async with client.post("/v2/a/blobs/uploads/") as response:
        where = response.headers["Location"]
    async with client.delete(where) as response:
        assert response.status == 204
    async with client.put(where, params={"digest": DIGEST}) as response:
        assert response.status == 404


async def test_a_blob_is_mounted_from_another_repository(client: aiohttp.ClientSession) -> None:
    """A mount of a known blob is 201; of an unknown one it opens an upload."""
    await upload(client, "from", BLOB)
    async with client.post(f"/v2/to/blobs/uploads/?mount={DIGEST}&from=from") as response:
        assert response.status == 201
    async with client.head(f"/v2/to/blobs/{DIGEST}") as response:
        assert response.status == 200
    async with client.post(f"/v2/to/blobs/uploads/?mount=sha256:{'1' * 64}&from=from") as response:
        assert response.status == 202


async def test_a_part_of_a_blob_is_served(client: aiohttp.ClientSession) -> None:
    """A range gives 206 and those bytes; one past the end 416."""
    await upload(client, "a", BLOB)
    async with client.get(f"/v2/a/blobs/{DIGEST}", headers={"Range": "bytes=2-6"}) as response:
        assert (response.status, await response.read()) == (206, BLOB[2:7])
        assert response.headers["Content-Range"] == f"bytes 2-6/{len(BLOB)}"
    async with client.get(f"/v2/a/blobs/{DIGEST}", headers={"Range": "bytes=99999-"}) as response:
        assert response.status == 416


@pytest.mark.parametrize(
    ("reference", "content_type", "body", "code"),
    [
        ("1", OCI_MANIFEST, b"<html>", "MANIFEST_INVALID"),
        ("1", OCI_MANIFEST, b"[1]", "MANIFEST_INVALID"),
        ("1", OCI_INDEX, json.dumps(MANIFEST).encode(), "MANIFEST_INVALID"),
        ("-bad", OCI_MANIFEST, json.dumps(MANIFEST).encode(), "TAG_INVALID"),
        (DIGEST, OCI_MANIFEST, json.dumps(MANIFEST).encode(), "DIGEST_INVALID"),
        (
            "1",
            OCI_MANIFEST,
            json.dumps(MANIFEST | {"layers": [{"digest": DIGEST}]}).encode(),
            "MANIFEST_BLOB_UNKNOWN",
        ),
        ("1", OCI_MANIFEST, b" " * (4 * 1024 * 1024 + 1), "SIZE_INVALID"),
    ],
    ids=["html", "list", "media type", "tag", "digest", "layer", "size"],
)
async def test_a_manifest_that_is_wrong_is_refused(
    client: aiohttp.ClientSession, reference: str, content_type: str, body: bytes, code: str
) -> None:
    """Each fault has its own code, and nothing is kept."""
    headers = {"Content-Type": content_type}
    where = f"/v2/a/manifests/{reference}"
    async with client.put(where, data=body, headers=headers) as response:
        assert (await response.json())["errors"][0]["code"] == code
    async with client.head(where) as response:
        assert response.status == 404


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


async def test_a_tag_is_deleted(registry: SandboxRegistry, client: aiohttp.ClientSession) -> None:
    """After DELETE of a tag the manifest is known by digest alone."""
    pushed = registry.push_image("a", "1")
    async with client.delete("/v2/a/manifests/1") as response:
        assert response.status == 202
    async with client.head("/v2/a/manifests/1") as response:
        assert response.status == 404
    async with client.head(f"/v2/a/manifests/{pushed.digest}") as response:
        assert response.status == 200


async def test_requests_are_counted_by_kind_and_reference(
    registry: SandboxRegistry, client: aiohttp.ClientSession
) -> None:
    """HEADs, GETs, blobs, pings and 429s each have their count, from nothing after a reset."""
    registry.push_image("a", "1")
    for method in ("HEAD", "HEAD", "GET"):
        await client.request(method, "/v2/a/manifests/1")
    await client.get("/v2/")
    registry.limit(Budget(limit=0))
    await client.get("/v2/a/manifests/1")
    totals = registry.totals()

    assert (totals.head_requests, totals.get_requests, totals.of(Kind.PING)) == (2, 2, 1)
    assert totals.rejected == 1
    assert totals.references == {"a:1": {"manifest_head": 2, "manifest_get": 2}}
    assert totals.total == 5
    registry.counts.reset()
    assert registry.totals().total == 0


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
    registry.limit(Budget(limit=0, kinds=(Kind.MANIFEST_HEAD, Kind.MANIFEST_GET), bare=True))
    async with client.get("/v2/a/manifests/1") as response:
        assert (response.status, await response.text()) == (429, "Too Many Requests")


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
    """Whoever asks for it with a password gets the token that stands for the password later."""
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
