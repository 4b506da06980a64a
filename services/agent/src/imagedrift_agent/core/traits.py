"""The traits of an engine: its own platform, its image store, and whether it tells origins.

| known from | says |
|---|---|
| `/version` | operating system, architecture, Podman or not, the API's version |
| `/info` | the image store, the kernel's architecture (`armv6l`: more than `arm`) |
| the images | the store, where `/info` is denied: only one that names images by their digest has \
images whose id is one of their own repo digests, or that have a descriptor |
"""

from collections.abc import Sequence
from typing import Final, Literal, TypeAlias

from msgspec import Struct

from imagedrift_agent.core import api_version
from imagedrift_agent.core.records import EngineImage, EngineVersion, Info, image_id

ImageStore: TypeAlias = Literal["classic", "containerd", "podman"]

_VARIANTS: Final = {"armv5": "v5", "armv6": "v6", "armv7": "v7", "armv8": "v8"}


class EngineTraits(Struct, frozen=True, kw_only=True):
    """The traits of an engine that count when its images are listed."""

    store: ImageStore = "classic"
    tells_origins: bool = False
    """Whether it names the source of each image: silence means that it was not pulled."""
    os: str = ""
    architecture: str = ""
    variant: str = ""

    @property
    def forgets(self) -> bool:
        """Tell whether the store loses an image's digests when its name moves on."""
        return self.store != "classic"


def traits_of(
    version: EngineVersion, info: Info | None, images: Sequence[EngineImage]
) -> EngineTraits:
    """Put together the traits of an engine; `info` is None where it is not told."""
    store = _store(version, info, images)
    kernel = info.architecture if info else ""
    architecture = version.arch or kernel
    return EngineTraits(
        store=store,
        tells_origins=store == "containerd" and api_version.tells_origins(version),
        os=version.os or (info.os_type if info else ""),
        architecture=architecture,
        variant=_variant(architecture, kernel),
    )


def is_podman(version: EngineVersion) -> bool:
    """Tell Podman from Docker, whose API it speaks."""
    return any("podman" in part.name.lower() for part in version.components or ())


def _store(version: EngineVersion, info: Info | None, images: Sequence[EngineImage]) -> ImageStore:
    if is_podman(version):
        return "podman"
    if info is not None and info.driver_status:
        return "containerd" if info.has_containerd_store else "classic"
    return "containerd" if any(map(_is_named_by_digest, images)) else "classic"


def _is_named_by_digest(image: EngineImage) -> bool:
    own = image_id(image.id)
    return bool(image.descriptor) or any(d.endswith(f"@{own}") for d in image.repo_digests or ())


def _variant(architecture: str, kernel: str) -> str:
    """Name the variant of a 32-bit ARM machine; others are named by their architecture."""
    if not architecture.lower().startswith("arm") or architecture.lower().startswith("arm64"):
        return ""
    return _VARIANTS.get(kernel.lower()[:5], "")
