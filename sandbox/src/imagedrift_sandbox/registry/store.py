"""The content of a registry: blobs, manifests and tags per repository, in memory.

Everything is addressed by the sha256 of its bytes; the bytes are kept exactly as they came.
"""

import hashlib
import json
from dataclasses import dataclass, field
from typing import Any

OCI_INDEX = "application/vnd.oci.image.index.v1+json"
OCI_MANIFEST = "application/vnd.oci.image.manifest.v1+json"
DOCKER_LIST = "application/vnd.docker.distribution.manifest.list.v2+json"
DOCKER_MANIFEST = "application/vnd.docker.distribution.manifest.v2+json"


def digest_of(data: bytes) -> str:
    """The sha256 digest of these bytes."""
    return f"sha256:{hashlib.sha256(data).hexdigest()}"


@dataclass(frozen=True, slots=True)
class StoredManifest:
    """A manifest or an index, as it was pushed."""

    digest: str
    media_type: str
    body: bytes


@dataclass
class Repository:
    """One name's manifests, tags and known blobs."""

    manifests: dict[str, StoredManifest] = field(default_factory=dict)
    tags: dict[str, str] = field(default_factory=dict)
    blobs: set[str] = field(default_factory=set)

    def find(self, reference: str) -> StoredManifest | None:
        """The manifest behind a tag or a digest."""
        return self.manifests.get(self.tags.get(reference, reference))


@dataclass
class RegistryContent:
    """All repositories, and the blobs that they share."""

    repositories: dict[str, Repository] = field(default_factory=dict)
    blobs: dict[str, bytes] = field(default_factory=dict)

    def repository(self, name: str) -> Repository:
        """The repository of that name, made when it is new."""
        return self.repositories.setdefault(name, Repository())

    def find(self, name: str, reference: str) -> StoredManifest | None:
        """The manifest behind a tag or digest of a repository."""
        repository = self.repositories.get(name)
        return repository.find(reference) if repository else None

    def put_blob(self, name: str, data: bytes) -> str:
        """Keep a blob and return its digest."""
        digest = digest_of(data)
        self.blobs[digest] = data
        self.repository(name).blobs.add(digest)
        return digest

    def blob(self, name: str, digest: str) -> bytes | None:
        """A blob that this repository knows."""
        repository = self.repositories.get(name)
        return self.blobs[digest] if repository and digest in repository.blobs else None

    def mount(self, name: str, digest: str) -> bool:
        """Make a blob of any other repository known here; False when nobody has it."""
        if digest in self.blobs:
            self.repository(name).blobs.add(digest)
        return digest in self.blobs

    def put_manifest(
        self, name: str, reference: str, media_type: str, body: bytes
    ) -> StoredManifest:
        """Keep a manifest under its digest, and under the tag when `reference` is one."""
        manifest = StoredManifest(digest_of(body), media_type, body)
        repository = self.repository(name)
        repository.manifests[manifest.digest] = manifest
        if reference != manifest.digest:
            repository.tags[reference] = manifest.digest
        return manifest

    def delete(self, name: str, reference: str) -> bool:
        """Remove a tag, or a manifest with all its tags; False when there is no such thing."""
        repository = self.repositories.get(name)
        if repository is None:
            return False
        if repository.tags.pop(reference, None) is not None:
            return True
        repository.tags = {t: d for t, d in repository.tags.items() if d != reference}
        return repository.manifests.pop(reference, None) is not None

    def missing_parts(self, name: str, document: dict[str, Any]) -> list[str]:
        """Digests that a manifest names and this repository lacks."""
        repository = self.repository(name)
        children = [entry["digest"] for entry in document.get("manifests", ())]
        blobs = [entry["digest"] for entry in document.get("layers", ()) if "urls" not in entry]
        if "config" in document:
            blobs.append(document["config"]["digest"])
        return [digest for digest in children if digest not in repository.manifests] + [
            digest for digest in blobs if digest not in repository.blobs
        ]


def canonical(document: dict[str, Any]) -> bytes:
    """A document as bytes, always the same for the same document."""
    return json.dumps(document, sort_keys=True, separators=(",", ":")).encode()
