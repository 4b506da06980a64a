"""Which manifest of an image a container was made from, or would be, and for which platform.

Rules:
- A store with several platforms per image has one id for all: the manifest says what runs.
- A container's manifest is the one that its own record names, else the one whose record names the
  container. Otherwise it is known only where a single manifest is here.
- Without a container the manifest counts that would run: the one that is here, or of several the
  one for the engine's platform. Twins of one platform are not chosen from: a guess is no identity.
- The digest of an index is never a manifest's.
- A platform is taken from the manifest's descriptor, then from the image's configuration, then from
  the engine: each fills in what the one before leaves out.
"""

from collections.abc import Sequence
from typing import Final

from imagedrift_agent.core.records import (
    Container,
    Descriptor,
    EngineImage,
    EngineManifest,
    EnginePlatform,
)
from imagedrift_agent.core.traits import EngineTraits
from imagedrift_schemas.digest import is_digest
from imagedrift_schemas.errors import BadPlatform
from imagedrift_schemas.platform import Platform, best

_INDEXES: Final = frozenset(
    {
        "application/vnd.oci.image.index.v1+json",
        "application/vnd.docker.distribution.manifest.list.v2+json",
    }
)
_NOTHING: Final = EnginePlatform()


def manifest_of(container: Container, image: EngineImage) -> str:
    """Name the manifest that a container was made from; empty where it is not known."""
    own = container.image_manifest_descriptor
    if own and _is_manifest(own, image):
        return own.digest
    for manifest in image.manifests or ():
        made = manifest.image_data.containers if manifest.image_data else None
        if container.id in (made or ()) and _is_manifest(manifest.descriptor, image):
            return manifest.descriptor.digest
    return _only_manifest(image)


def manifest_to_run(image: EngineImage, engine: EngineTraits) -> str:
    """Name the manifest that a new container would be made from; empty where it is not known."""
    return _only_manifest(image) or _native_manifest(image, engine)


def platform_of(
    image: EngineImage,
    engine: EngineTraits,
    manifest: str = "",
    containers: Sequence[Container] = (),
) -> str:
    """Name the platform of the manifest that runs, in normal form."""
    for claimed in (*_claimed_platforms(manifest, image, containers), _configured(image, engine)):
        platform = _platform(claimed, image, engine)
        if platform and not platform.is_unknown:
            return str(platform)
    return "unknown/unknown"


def is_index(descriptor: Descriptor | None) -> bool:
    """Tell whether a descriptor is of an index."""
    return descriptor is not None and descriptor.media_type in _INDEXES


def _only_manifest(image: EngineImage) -> str:
    """Name the one manifest that there is to run."""
    here = _available(image)
    if here:
        return here[0].descriptor.digest if len(here) == 1 else ""
    target = image.descriptor
    return target.digest if target and target.media_type and _is_manifest(target, image) else ""


def _native_manifest(image: EngineImage, engine: EngineTraits) -> str:
    own = EnginePlatform(engine.os, engine.architecture, engine.variant)
    wanted = _platform(own, image, engine) or _platform(_configured(image, engine), image, engine)
    offered = [
        (platform, manifest.descriptor.digest)
        for manifest in _available(image)
        if (platform := _platform(_claimed_platform(manifest), image, engine))
    ]
    platforms = [platform for platform, _ in offered]
    chosen = best(wanted, platforms) if wanted else None
    if chosen is None or platforms.count(platforms[chosen]) > 1:
        return ""
    return offered[chosen][1]


def _available(image: EngineImage) -> list[EngineManifest]:
    return [
        each
        for each in image.manifests or ()
        if each.kind == "image" and each.available and _is_manifest(each.descriptor, image)
    ]


def _is_manifest(descriptor: Descriptor, image: EngineImage) -> bool:
    """Tell whether a digest is a manifest's that can run: no index's, and no attestation's."""
    if not is_digest(descriptor.digest) or is_index(descriptor):
        return False
    return descriptor.digest not in _not_run(image)


def _not_run(image: EngineImage) -> set[str]:
    """Collect the digests of an image that cannot run: its index's, and of what is no image."""
    target, inside = image.descriptor, image.manifests or ()
    listed = {each.descriptor.digest for each in inside}
    indexes = {target.digest} if target and is_index(target) else set[str]()
    if listed and image.id not in listed:
        indexes.add(image.id)
    return indexes | {m.descriptor.digest for m in inside if _is_no_image(m)}


def _is_no_image(manifest: EngineManifest) -> bool:
    claimed = manifest.descriptor.platform
    is_unknown = claimed is not None and "unknown" == claimed.os == claimed.architecture
    return manifest.kind == "attestation" or is_unknown


def _claimed_platforms(
    manifest: str, image: EngineImage, containers: Sequence[Container]
) -> list[EnginePlatform]:
    """Collect the claims about the platform of a manifest."""
    if not manifest:
        return []
    own = [c.image_manifest_descriptor for c in containers if c.image_manifest_descriptor]
    described = [each.platform for each in own if each.digest == manifest and each.platform]
    listed = [
        _claimed_platform(m) for m in image.manifests or () if m.descriptor.digest == manifest
    ]
    return [*described, *listed]


def _claimed_platform(manifest: EngineManifest) -> EnginePlatform:
    """Read the platform of a manifest: what its index says, then what its configuration says."""
    described = manifest.descriptor.platform or _NOTHING
    configured = (manifest.image_data.platform if manifest.image_data else None) or _NOTHING
    if not (described.os and described.architecture):
        return configured
    if described.variant or configured.architecture != described.architecture:
        return described
    return EnginePlatform(described.os, described.architecture, configured.variant)


def _configured(image: EngineImage, engine: EngineTraits) -> EnginePlatform:
    """Read the platform of an image's configuration; a missing part is the engine's."""
    os = image.os or engine.os or "linux"
    return EnginePlatform(os, image.architecture or engine.architecture or "amd64", image.variant)


def _platform(claimed: EnginePlatform, image: EngineImage, engine: EngineTraits) -> Platform | None:
    """Bring a platform into normal form; a variant that is left out is the image's or engine's."""
    if not (claimed.os and claimed.architecture):
        return None
    variant = claimed.variant
    if claimed.architecture == image.architecture:
        variant = variant or image.variant
    if claimed.architecture.lower() == engine.architecture.lower():
        variant = variant or engine.variant
    try:
        return Platform(claimed.os, claimed.architecture, variant)
    except BadPlatform:
        return None
