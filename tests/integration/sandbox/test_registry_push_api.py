"""Blobs and manifests are pushed to the sandbox registry, and refused when they are wrong."""

import hashlib
import json

import aiohttp
import pytest

from imagedrift_sandbox.registry import (
    SandboxRegistry,
)
from imagedrift_sandbox.registry.store import OCI_INDEX, OCI_MANIFEST

BLOB = b"a layer" * 1000
DIGEST = f"sha256:{hashlib.sha256(BLOB).hexdigest()}"
MANIFEST = {"schemaVersion": 2, "mediaType": OCI_MANIFEST, "layers": []}


async def upload(client: aiohttp.ClientSession, repository: str, data: bytes) -> str:
    """Push a blob in one request and return its digest."""
    digest = f"sha256:{hashlib.sha256(data).hexdigest()}"
    where = f"/v2/{repository}/blobs/uploads/?digest={digest}"
    async with client.post(where, data=data) as response:
        assert response.status == 201
    return digest


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


async def test_a_tag_is_deleted(registry: SandboxRegistry, client: aiohttp.ClientSession) -> None:
    """After DELETE of a tag the manifest is known by digest alone."""
    pushed = registry.push_image("a", "1")
    async with client.delete("/v2/a/manifests/1") as response:
        assert response.status == 202
    async with client.head("/v2/a/manifests/1") as response:
        assert response.status == 404
    async with client.head(f"/v2/a/manifests/{pushed.digest}") as response:
        assert response.status == 200
