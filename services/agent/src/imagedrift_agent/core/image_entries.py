"""Which images of an engine stand under which references, before each becomes one of an inventory.

- An image stands under each of its tags, and under the reference that a container of it was
  configured with; under a digest where nothing else says what it is called there.
- What has no usable name is passed over and counted by reason.
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence, Set

from msgspec import Struct

from imagedrift_agent.core import image_facts
from imagedrift_agent.core.origins import Origins
from imagedrift_agent.core.records import (
    Container,
    EngineImage,
    has_image,
    image_id,
    is_prefix_of_id,
)
from imagedrift_agent.core.traits import EngineTraits
from imagedrift_schemas.errors import BadReference
from imagedrift_schemas.reference import ImageReference

NAMELESS = frozenset({"<none>:<none>", "<none>@<none>"})


class ImageEntry:
    """One image under one reference, while it is being put together."""

    def __init__(self, reference: ImageReference, image: EngineImage, *, tagged: bool) -> None:
        self.reference = reference
        self.image = image
        self.tagged = tagged
        self.digests = {reference.digest} if reference.digest else set[str]()
        self.containers: list[Container] = []
        self.opted_out = False

    @property
    def repository(self) -> tuple[str, str]:
        """The repository of its reference."""
        return image_facts.repository_of(self.reference)


class HostRecords(Struct, frozen=True):
    """The images and containers of an engine, and the facts that only all together tell."""

    images: Mapping[str, EngineImage]
    ignored: Set[str]
    """The ids of images that opted out, with all their containers."""
    containers: Sequence[Container]
    engine: EngineTraits
    origins: Origins


Entries = dict[tuple[str, str], ImageEntry]


def list_entries(lists: HostRecords, skipped: Counter[str]) -> list[ImageEntry]:
    """List each image under each of its references, without those that opted out."""
    entries = _by_tag(lists.images.values(), skipped)
    _add_containers(entries, lists, skipped)
    _add_untagged(entries, lists.images.values(), skipped)
    return [entry for entry in entries.values() if entry.containers or not entry.opted_out]


def _by_tag(images: Iterable[EngineImage], skipped: Counter[str]) -> Entries:
    """List every image under every tag that it has."""
    entries: Entries = {}
    for image in images:
        for name in image.repo_tags or ():
            reference = _parse(name, skipped)
            if reference:
                _entry(entries, reference, image, tagged=True)
    return entries


def _add_containers(entries: Entries, lists: HostRecords, skipped: Counter[str]) -> None:
    """Put every container under the reference that it was configured with."""
    for container in lists.containers:
        image = lists.images.get(image_id(container.image_id))
        if image is not None:
            _add_container(entries, container, image, lists, skipped)
        elif has_image(container) and not _is_ignored(container, lists):
            skipped["image_gone"] += 1


def _is_ignored(container: Container, lists: HostRecords) -> bool:
    is_with_its_image = image_id(container.image_id) in lists.ignored
    return is_with_its_image or opts_out(container.labels or {})


def _add_container(
    entries: Entries,
    container: Container,
    image: EngineImage,
    lists: HostRecords,
    skipped: Counter[str],
) -> None:
    if _is_known_by_id(container, image, lists.origins):
        skipped["container_by_id"] += 1
    elif reference := _parse(container.image, skipped):
        digests = image_facts.digests_of(image, reference, lists.engine)
        tagged = reference.is_pinned and reference.digest in digests
        entry = _entry(entries, reference, image, tagged=tagged)
        if opts_out(container.labels or {}):
            entry.opted_out = True
        else:
            entry.containers.append(container)


def _add_untagged(entries: Entries, images: Iterable[EngineImage], skipped: Counter[str]) -> None:
    """List images under a digest where nothing else names them in that repository."""
    named = {(image_id(entry.image.id), entry.repository) for entry in entries.values()}
    for image in images:
        for name in image.repo_digests or ():
            reference = _parse(name, skipped)
            if (
                reference
                and (image_id(image.id), image_facts.repository_of(reference)) not in named
            ):
                _entry(entries, reference, image, tagged=True)


def _entry(
    entries: Entries, reference: ImageReference, image: EngineImage, *, tagged: bool
) -> ImageEntry:
    """Find or make the entry of an image under a reference."""
    key = (reference.canonical, image_id(image.id))
    entry = entries.setdefault(key, ImageEntry(reference, image, tagged=tagged))
    if reference.digest:
        entry.digests.add(reference.digest)
    return entry


def _parse(name: str, skipped: Counter[str]) -> ImageReference | None:
    """Read a name; one that cannot be looked up is counted."""
    if name in NAMELESS or name.startswith("sha256:"):
        return None
    try:
        return ImageReference.parse(name)
    except BadReference:
        skipped["bad_name"] += 1
        return None


def _is_known_by_id(container: Container, image: EngineImage, origins: Origins) -> bool:
    """Tell whether the container was made from an id: such text may read as a name as well.

    An engine looks for a name before it looks for the start of an id.
    """
    return is_prefix_of_id(container.image, image.id) and not origins.is_a_tag(container.image)


def opts_out(labels: Mapping[str, str]) -> bool:
    """Tell whether labels ask for an image or a container to be left out."""
    return labels.get(image_facts.IGNORE_LABEL, "").lower() in ("true", "1", "yes")
