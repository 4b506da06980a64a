"""Indexes on a real Docker Engine and a real registry: a current image is found current."""

import hashlib
import json
import urllib.request
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from imagedrift_sandbox.stack import Stack, named_registry
from support.engine import DockerEngine, DockerRegistry
from support.operator import Operator

pytestmark = pytest.mark.real

MANIFEST = "application/vnd.docker.distribution.manifest.v2+json"
INDEX = "application/vnd.oci.image.index.v1+json"


@pytest.fixture
async def operator(
    docker_engine: DockerEngine, fresh_docker_registry: DockerRegistry, tmp_path: Path
) -> AsyncIterator[Operator]:
    """The operator of a whole system around the engine and the registry."""
    text = named_registry(fresh_docker_registry.host)
    async with Stack.running(tmp_path, registries_toml=text, freshness_s=2) as stack:
        await stack.start_ingest()
        await stack.start_resolver()
        await stack.start_agent(docker_host=docker_engine.host, host="host-1", interval_s=2)
        yield Operator(stack.dsn)


def child(
    engine: DockerEngine, registry: DockerRegistry, content: str, arch: str
) -> dict[str, Any]:
    """Build and push one platform's image, and return its entry in an index."""
    reference = f"{registry.host}/indexed:{content}"
    engine.build(reference, content)
    digest = engine.push(reference)
    engine.remove_image(reference)
    size = len(manifest(registry, digest))
    platform = {"os": "linux", "architecture": arch}
    return {"mediaType": MANIFEST, "digest": digest, "size": size, "platform": platform}


def manifest(registry: DockerRegistry, digest: str) -> bytes:
    """Read a manifest's bytes from the registry."""
    url = f"{registry.url}/v2/indexed/manifests/{digest}"
    with urllib.request.urlopen(urllib.request.Request(url, headers={"Accept": MANIFEST})) as reply:
        return bytes(reply.read())


def push_index(registry: DockerRegistry, *children: dict[str, Any]) -> str:
    """Push an index of these children under the tag `1`, and return its digest."""
    document = {"schemaVersion": 2, "mediaType": INDEX, "manifests": list(children)}
    body = json.dumps(document).encode()
    url = f"{registry.url}/v2/indexed/manifests/1"
    request = urllib.request.Request(url, body, {"Content-Type": INDEX}, method="PUT")
    urllib.request.urlopen(request).close()
    return "sha256:" + hashlib.sha256(body).hexdigest()


async def test_an_index_is_compared_by_its_own_digest_then_by_platform(
    docker_engine: DockerEngine, fresh_docker_registry: DockerRegistry, operator: Operator
) -> None:
    """An image is current by the index's digest, by its platform, by either of two digests."""
    registry = fresh_docker_registry
    reference = f"{registry.host}/indexed:1"
    ours = child(docker_engine, registry, "ours", "amd64")
    first = push_index(registry, ours)
    docker_engine.pull(reference)
    docker_engine.run(reference, "indexed")

    row = await operator.sees(reference, verdict="current", reason="digest_match", running=1)
    assert row["local_digests"] == [row["remote_digest"]] == [first]

    arm = child(docker_engine, registry, "for-arm", "arm64")
    second = push_index(registry, ours, arm)

    row = await operator.sees(reference, verdict="current", reason="platform_match", running=1)
    assert (row["local_digests"], row["remote_digest"]) == ([first], second)

    docker_engine.pull(reference)

    row = await operator.sees(reference, verdict="current", reason="digest_match", running=1)
    assert set(row["local_digests"]) == {first, second}

    third = push_index(registry, child(docker_engine, registry, "ours-newer", "amd64"), arm)

    row = await operator.sees(reference, verdict="outdated", reason="platform_differs", running=1)
    assert row["remote_digest"] == third
