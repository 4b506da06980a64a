"""What one image's record says, whichever engine and image store wrote it.

| | classic store | containerd store | Podman |
|---|---|---|---|
| id | digest of the configuration | digest that the name points to | digest of the configuration |
| digests | of what was pulled or pushed | of every name, local builds too | as containerd |
| when the tag moves | the old image keeps its own | the old image loses them | as containerd |
| then its digest is | known | its id | the `Digest` of the list |
"""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Final

import msgspec

from imagedrift_agent.core import records
from imagedrift_agent.core.records import Container, Image
from imagedrift_schemas.digest import is_digest
from imagedrift_schemas.errors import BadPlatform, BadReference
from imagedrift_schemas.platform import Platform, best
from imagedrift_schemas.reference import ImageReference

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_INDEXES: Final = frozenset(
    {
        "application/vnd.oci.image.index.v1+json",
        "application/vnd.docker.distribution.manifest.list.v2+json",
    }
)
_BUILT_HERE: Final = "localhost"
"""Podman's registry of what has none."""
_PROJECT: Final = "com.docker.compose.project"
_SERVICE: Final = "com.docker.compose.service"
_SWARM_SERVICE: Final = "com.docker.swarm.service.name"


def digests_of(image: Image, reference: ImageReference) -> set[str]:
    """Collect the digests that the reference's repository knows the image by."""
    repository = (reference.registry, reference.repository)
    if reference.registry == _BUILT_HERE or not _counts(image, repository):
        return set()
    parsed = map(_with_digest, image.repo_digests or ())
    return {p.digest for p in parsed if p and (p.registry, p.repository) == repository}


def forgotten_digest(image: Image, reference: ImageReference, tag_is_known: bool) -> str:
    """Find the digest of an image whose tag moved away, in a store that forgets it then.

    It counts when the image came from the reference's repository. Without the engine's own word,
    the image that has the tag now decides: is that one known to the registry, the old one was, too.
    """
    if reference.registry == _BUILT_HERE or not is_digest(image.digest):
        return ""
    came_from_there = tag_is_known
    if _says_origin(image):
        came_from_there = (reference.registry, reference.repository) in _origins(image)
    return image.digest if came_from_there else ""


def platform_of(image: Image) -> str:
    """Name the platform in normal form; empty parts are taken for the common ones."""
    try:
        platform = Platform(image.os or "linux", image.architecture or "amd64", image.variant)
    except BadPlatform:
        return "unknown/unknown"
    return str(platform)


def created_at(image: Image) -> datetime | None:
    """Read when the image was made; None for nonsense and for the year 1 of reproducible builds."""
    try:
        created = msgspec.convert(image.created, datetime)
    except msgspec.ValidationError:
        return None
    if created.tzinfo is None or created <= _EPOCH:
        return None
    return created.astimezone(UTC)


def manifest_digest(image: Image, containers: Sequence[Container]) -> str:
    """Name the platform's manifest where the engine knows it: what runs, else what would run."""
    run = {c.image_manifest_descriptor.digest for c in containers if c.image_manifest_descriptor}
    if run:
        return min(run)
    if image.descriptor is None:
        return ""
    if image.descriptor.media_type not in _INDEXES:
        return image.descriptor.digest
    return _chosen_manifest(image)


def services_of(containers: Sequence[Container]) -> tuple[str, ...]:
    """Name what containers are for: `project/service` of compose, or the service of a Swarm."""
    named = (_service(container.labels or {}) for container in containers)
    return tuple(sorted({name for name in named if name}))


def _service(labels: Mapping[str, str]) -> str:
    project, service = labels.get(_PROJECT, ""), labels.get(_SERVICE, "")
    return "/".join(filter(None, (project, service))) or labels.get(_SWARM_SERVICE, "")


def _chosen_manifest(image: Image) -> str:
    """Choose, from the manifests that are here, the one for the image's platform."""
    offered: list[tuple[Platform, str]] = []
    for manifest in image.manifests or ():
        platform = _platform(manifest)
        if manifest.kind == "image" and manifest.available and platform:
            offered.append((platform, manifest.descriptor.digest))
    try:
        wanted = Platform.parse(platform_of(image))
    except BadPlatform:
        return ""
    index = best(wanted, [platform for platform, _ in offered])
    return "" if index is None else offered[index][1]


def _platform(manifest: records.Manifest) -> Platform | None:
    said = manifest.image_data.platform if manifest.image_data else None
    said = said or manifest.descriptor.platform
    try:
        return Platform(said.os, said.architecture, said.variant) if said else None
    except BadPlatform:
        return None


def _counts(image: Image, repository: tuple[str, str]) -> bool:
    """Tell whether a digest under this repository means that its registry knows the image."""
    return not _says_origin(image) or repository in _origins(image)


def _says_origin(image: Image) -> bool:
    return bool(image.identity and (image.identity.pull or image.identity.build))


def _origins(image: Image) -> set[tuple[str, str]]:
    """Collect the repositories that the engine pulled the image from, or pushed it to."""
    pulled = (image.identity.pull if image.identity else None) or ()
    parsed = (_parsed(each.repository) for each in pulled)
    return {(p.registry, p.repository) for p in parsed if p}


def _with_digest(text: str) -> ImageReference | None:
    parsed = _parsed(text)
    return parsed if parsed and is_digest(parsed.digest) else None


def _parsed(text: str) -> ImageReference | None:
    try:
        return ImageReference.parse(text)
    except BadReference:
        return None
