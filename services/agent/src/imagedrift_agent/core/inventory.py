"""An engine's records become the images of an inventory.

Rules:
- An image is listed once per name that it has, and once per reference that a container of it was
  configured with, when that is another one: then its tag has moved on and `tagged` is false.
- Its `repo_digests` are those of its digests that belong to the repository of the name; all names
  of Docker Hub are one. None: the image is local. A set, as a pull of an index that moved without
  a change for this platform adds a second digest to the same image.
- `repo:tag@digest` (Swarm) is followed as `repo:tag`; its digest joins the set.
- An image with a digest but no tag in a repository is listed as `repo@digest`, unless a container
  already says what it is called there.
- The containerd image store gives local builds a digest, too. Where the engine says what it pulled
  or pushed (`Identity`), only such repositories count; an older one is taken at its word.
- What has no usable name is passed over and counted by reason; nothing here raises for it.
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence

from msgspec import Struct

from imagedrift_agent.core import facts
from imagedrift_agent.core.records import Container, Image, image_id, is_prefix_of_id
from imagedrift_schemas.errors import BadReference
from imagedrift_schemas.reference import ImageReference
from imagedrift_schemas.v1 import LocalImage

IGNORE_LABEL = "imagedrift.ignore"
# Between two attempts of a crash loop a container is "restarting": counted as running, or the
# inventory would change with every attempt.
RUNNING = frozenset({"running", "paused", "restarting"})
MAX_SIZE = 2**63 - 1
NAMELESS = frozenset({"<none>:<none>", "<none>@<none>"})


class Census(Struct, frozen=True):
    """The images of a host, and how many things were passed over, by reason."""

    images: tuple[LocalImage, ...]
    skipped: Mapping[str, int]


class _Entry:
    """One image under one reference, while it is being put together."""

    def __init__(self, reference: ImageReference, image: Image, *, tagged: bool) -> None:
        self.reference = reference
        self.image = image
        self.tagged = tagged
        self.digests = {reference.digest} if reference.digest else set[str]()
        self.containers: list[Container] = []
        self.opted_out = False

    @property
    def repository(self) -> tuple[str, str]:
        return _repository(self.reference)


def take_census(images: Sequence[Image], containers: Sequence[Container]) -> Census:
    """List what the host has, in canonical order."""
    skipped: Counter[str] = Counter()
    known = {image_id(image.id): image for image in images if not _opts_out(_labels(image))}
    entries = _by_tag(known.values(), skipped)
    _add_containers(entries, known, containers, skipped)
    _add_untagged(entries, known.values(), skipped)
    kept = [entry for entry in entries.values() if entry.containers or not entry.opted_out]
    with_digests = {e.reference.canonical for e in kept if e.tagged and _digests(e)}
    listed = [_local_image(entry, entry.reference.canonical in with_digests) for entry in kept]
    return Census(tuple(sorted(listed, key=lambda i: (i.reference, i.image_id))), dict(skipped))


_Entries = dict[tuple[str, str], _Entry]


def _by_tag(images: Iterable[Image], skipped: Counter[str]) -> _Entries:
    """List every image under every tag that it has."""
    entries: _Entries = {}
    for image in images:
        for name in image.repo_tags or ():
            reference = _parse(name, skipped)
            if reference:
                _entry(entries, reference, image, tagged=True)
    return entries


def _add_containers(
    entries: _Entries,
    known: Mapping[str, Image],
    containers: Sequence[Container],
    skipped: Counter[str],
) -> None:
    """Put every container under the reference that it was configured with."""
    for container in containers:
        image = known.get(image_id(container.image_id))
        if image is None and _opts_out(container.labels or {}):
            continue  # its image may have opted out with it
        if image is None:
            skipped["image_gone"] += 1
        elif _is_known_by_id(container, image):
            skipped["container_by_id"] += 1
        elif reference := _parse(container.image, skipped):
            tagged = reference.is_pinned and reference.digest in facts.digests_of(image, reference)
            entry = _entry(entries, reference, image, tagged=tagged)
            if _opts_out(container.labels or {}):
                entry.opted_out = True
            else:
                entry.containers.append(container)


def _add_untagged(entries: _Entries, images: Iterable[Image], skipped: Counter[str]) -> None:
    """List images under a digest where nothing else says what they are called there."""
    named = {(image_id(entry.image.id), entry.repository) for entry in entries.values()}
    for image in images:
        for name in image.repo_digests or ():
            reference = _parse(name, skipped)
            if reference and (image_id(image.id), _repository(reference)) not in named:
                _entry(entries, reference, image, tagged=True)


def _entry(entries: _Entries, reference: ImageReference, image: Image, *, tagged: bool) -> _Entry:
    """Find or make the entry of an image under a reference."""
    key = (reference.canonical, image_id(image.id))
    entry = entries.setdefault(key, _Entry(reference, image, tagged=tagged))
    if reference.digest:
        entry.digests.add(reference.digest)
    return entry


def _local_image(entry: _Entry, tag_is_known: bool) -> LocalImage:
    digests = _digests(entry)
    if not (digests or entry.tagged):
        digests = {facts.forgotten_digest(entry.image, entry.reference, tag_is_known)} - {""}
    return LocalImage(
        reference=entry.reference.canonical,
        image_id=image_id(entry.image.id),
        repo_digests=tuple(sorted(digests)),
        platform=facts.platform_of(entry.image),
        tagged=entry.tagged,
        size=min(max(entry.image.size, 0), MAX_SIZE),
        created_at=facts.created_at(entry.image),
        containers=tuple(sorted(_name(container) for container in entry.containers)),
        running=sum(container.state in RUNNING for container in entry.containers),
        manifest_digest=facts.manifest_digest(entry.image, entry.containers),
        services=facts.services_of(entry.containers),
    )


def _digests(entry: _Entry) -> set[str]:
    return entry.digests | facts.digests_of(entry.image, entry.reference)


def _parse(name: str, skipped: Counter[str]) -> ImageReference | None:
    """Read a name; one that cannot be looked up is counted."""
    if name in NAMELESS or name.startswith("sha256:"):
        return None
    try:
        return ImageReference.parse(name)
    except BadReference:
        skipped["bad_name"] += 1
        return None


def _is_known_by_id(container: Container, image: Image) -> bool:
    """Tell whether the container was made from an id: such text may read as a name as well."""
    by_id = is_prefix_of_id(container.image, image.id)
    return by_id and f"{container.image}:latest" not in (image.repo_tags or ())


def _repository(reference: ImageReference) -> tuple[str, str]:
    return reference.registry, reference.repository


def _name(container: Container) -> str:
    """The container's own name; links of others to it have a second slash."""
    own = [name for name in container.names or () if "/" not in name.removeprefix("/")]
    return own[0].removeprefix("/") if own else container.id[:12]


def _labels(image: Image) -> Mapping[str, str]:
    return (image.config.labels if image.config else None) or {}


def _opts_out(labels: Mapping[str, str]) -> bool:
    return labels.get(IGNORE_LABEL, "").lower() in ("true", "1", "yes")
