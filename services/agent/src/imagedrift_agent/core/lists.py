"""The two lists of an engine: what they name, and what they say of an image without its details."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Self

from msgspec import Struct
from msgspec.structs import replace

from imagedrift_agent.core.records import (
    Container,
    EngineImage,
    ImageConfig,
    ImageSummary,
    has_image,
    image_id,
)
from imagedrift_agent.core.traits import EngineTraits


class EngineLists(Struct, frozen=True, kw_only=True):
    """The two lists of an engine, and how many elements made no sense."""

    images: list[ImageSummary]
    """Those of the list, and those that only a container still has."""
    containers: list[Container]
    odd_images: int = 0
    odd_containers: int = 0

    @classmethod
    def of(
        cls,
        images: Sequence[ImageSummary],
        odd_images: Sequence[str],
        containers: Sequence[Container],
        odd_containers: Sequence[str],
    ) -> Self:
        """Put the lists together; an image whose id is all that is known is asked for by that."""
        named = {image_id(summary.id) for summary in images}
        used = {image_id(c.image_id) for c in containers if has_image(c)}
        only_ids = ({image_id(i) for i in odd_images if i} | used) - named
        return cls(
            images=[*images, *(ImageSummary(id=each) for each in sorted(only_ids))],
            containers=list(containers),
            odd_images=sum(not each for each in odd_images),
            odd_containers=len(odd_containers),
        )


def known_by_list(summary: ImageSummary) -> EngineImage:
    """Make up the details of an image that the engine does not tell."""
    return EngineImage(
        id=summary.id,
        repo_tags=list(summary.repo_tags or ()),
        repo_digests=list(summary.repo_digests or ()),
        created=_written(summary.created),
        size=summary.size,
        config=ImageConfig(summary.labels),
        descriptor=summary.descriptor,
        manifests=summary.manifests,
        digest=summary.digest,
        is_detailed=False,
    )


def with_manifests(image: EngineImage, summary: ImageSummary) -> EngineImage:
    """Add the manifests of an image from the list: newer than the details, where it says it."""
    return replace(image, manifests=summary.manifests) if summary.manifests else image


def with_own_digest(image: EngineImage, engine: EngineTraits) -> EngineImage:
    """Note the digest that a store names the image by; Podman's list says its own."""
    return replace(image, digest=image_id(image.id)) if engine.store == "containerd" else image


def _written(seconds: int) -> str:
    """Write a time as the details of an image do; nothing for nonsense."""
    try:
        return datetime.fromtimestamp(seconds, UTC).isoformat() if seconds > 0 else ""
    except (OverflowError, ValueError, OSError):
        return ""
