"""Synthetic images: small, real enough to be pulled and created by an engine, and repeatable.

The same (repository, platform, seed) gives the same digests in every process.
"""

import gzip
import io
import tarfile
from enum import StrEnum
from typing import Any

import msgspec

from imagedrift_sandbox.registry.store import (
    DOCKER_LIST,
    DOCKER_MANIFEST,
    OCI_INDEX,
    OCI_MANIFEST,
    RegistryContent,
    canonical,
    digest_of,
)

EPOCH = "2026-01-01T00:00:00Z"
DOCKER_CONFIG = "application/vnd.docker.container.image.v1+json"
DOCKER_LAYER = "application/vnd.docker.image.rootfs.diff.tar.gzip"
OCI_CONFIG = "application/vnd.oci.image.config.v1+json"
OCI_LAYER = "application/vnd.oci.image.layer.v1.tar+gzip"
NO_PLATFORM = {"os": "unknown", "architecture": "unknown"}


class Shape(StrEnum):
    """How an image is put together."""

    MANIFEST = "manifest"
    """One OCI manifest: the first platform alone."""
    DOCKER_MANIFEST = "docker_manifest"
    """The same in Docker's media types."""
    INDEX = "index"
    """An OCI index: one manifest per platform, and an attestation child for each."""
    PLAIN_INDEX = "plain_index"
    """An OCI index without attestations."""
    NESTED_INDEX = "nested_index"
    """An OCI index of one index per platform."""
    DOCKER_LIST = "docker_list"
    """Docker's manifest list."""


class PushedImage(msgspec.Struct, frozen=True, kw_only=True):
    """The digests of an image that was pushed; children and configs by platform."""

    digest: str
    media_type: str
    children: dict[str, str]
    configs: dict[str, str]


def push_image(
    store: RegistryContent,
    repository: str,
    tag: str,
    *,
    platforms: tuple[str, ...] = ("linux/amd64",),
    seed: int = 0,
    shape: Shape = Shape.MANIFEST,
) -> PushedImage:
    """Put an image into the store as a client's push would; another seed, another image."""
    docker = shape in (Shape.DOCKER_MANIFEST, Shape.DOCKER_LIST)
    single = shape in (Shape.MANIFEST, Shape.DOCKER_MANIFEST)
    children, configs = {}, {}
    entries: list[dict[str, Any]] = []
    for platform in platforms[:1] if single else platforms:
        manifest, configs[platform] = _platform_image(store, repository, platform, seed, docker)
        entry = _put(store, repository, manifest) | {"platform": _platform(platform)}
        children[platform] = entry["digest"]
        entries.append(entry)
    if single:
        top = manifest
    else:
        top = _index(
            DOCKER_LIST if docker else OCI_INDEX, _arranged(store, repository, shape, entries)
        )
    found = store.put_manifest(repository, tag, top["mediaType"], canonical(top))
    return PushedImage(
        digest=found.digest, media_type=found.media_type, children=children, configs=configs
    )


def _arranged(
    store: RegistryContent, repository: str, shape: Shape, entries: list[dict[str, Any]]
) -> list[dict[str, Any]]:
    if shape is Shape.INDEX:
        return entries + [_attestation(store, repository, entry["digest"]) for entry in entries]
    if shape is Shape.NESTED_INDEX:
        return [_put(store, repository, _index(OCI_INDEX, [entry])) for entry in entries]
    return entries


def _platform_image(
    store: RegistryContent, repository: str, platform: str, seed: int, docker: bool
) -> tuple[dict[str, Any], str]:
    """One platform's manifest, its blobs pushed; and its config's digest."""
    layer_tar = _layer(f"{repository} {platform} {seed}\n")
    layer = gzip.compress(layer_tar, mtime=0)
    config = canonical(
        _platform(platform)
        | {
            "created": EPOCH,
            "config": {"Cmd": ["/seed"], "Labels": {"org.opencontainers.image.version": str(seed)}},
            "rootfs": {"type": "layers", "diff_ids": [digest_of(layer_tar)]},
            "history": [{"created": EPOCH, "created_by": "imagedrift sandbox"}],
        }
    )
    manifest = {
        "schemaVersion": 2,
        "mediaType": DOCKER_MANIFEST if docker else OCI_MANIFEST,
        "config": _blob(store, repository, DOCKER_CONFIG if docker else OCI_CONFIG, config),
        "layers": [_blob(store, repository, DOCKER_LAYER if docker else OCI_LAYER, layer)],
    }
    return manifest, manifest["config"]["digest"]  # type: ignore[index]


def _attestation(store: RegistryContent, repository: str, of: str) -> dict[str, Any]:
    """The attestations that BuildKit puts beside each platform: a manifest that is no image."""
    statement = canonical({"_type": "https://in-toto.io/Statement/v0.1", "subject": of})
    config = canonical(
        NO_PLATFORM | {"rootfs": {"type": "layers", "diff_ids": [digest_of(statement)]}}
    )
    manifest = {
        "schemaVersion": 2,
        "mediaType": OCI_MANIFEST,
        "config": _blob(store, repository, OCI_CONFIG, config),
        "layers": [_blob(store, repository, "application/vnd.in-toto+json", statement)],
    }
    return _put(store, repository, manifest) | {
        "platform": NO_PLATFORM,
        "annotations": {
            "vnd.docker.reference.digest": of,
            "vnd.docker.reference.type": "attestation-manifest",
        },
    }


def _index(media_type: str, entries: list[dict[str, Any]]) -> dict[str, Any]:
    return {"schemaVersion": 2, "mediaType": media_type, "manifests": entries}


def _put(store: RegistryContent, repository: str, document: dict[str, Any]) -> dict[str, Any]:
    """Push a child by digest and return its descriptor."""
    body = canonical(document)
    found = store.put_manifest(repository, digest_of(body), document["mediaType"], body)
    return {"mediaType": found.media_type, "digest": found.digest, "size": len(body)}


def _blob(store: RegistryContent, repository: str, media_type: str, data: bytes) -> dict[str, Any]:
    return {
        "mediaType": media_type,
        "digest": store.put_blob(repository, data),
        "size": len(data),
    }


def _platform(text: str) -> dict[str, str]:
    """`linux/arm64/v8` as the manifest's fields."""
    return dict(zip(("os", "architecture", "variant"), text.split("/"), strict=False))


def _layer(content: str) -> bytes:
    """A tar of one file, `/seed`."""
    data = content.encode()
    entry = tarfile.TarInfo("seed")
    entry.size, entry.mode = len(data), 0o755
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.USTAR_FORMAT) as archive:
        archive.addfile(entry, io.BytesIO(data))
    return buffer.getvalue()
