"""An engine's records become the images of an inventory.

Rules:
- An image is listed once per name that it has, and once per reference that a container of it was
  configured with, when that is another one: then its tag has moved on and `tagged` is false.
- Its `repo_digests` are those of its digests that belong to the repository of the name; all names
  of Docker Hub are one. None: `origins` tells a local image from one whose digest is lost. A set,
  as a pull of an index that moved without a change for this platform adds a second digest.
- On a store with several platforms per image it is listed once per manifest that its containers
  were made from; without containers once, by the manifest that would run (`manifests`).
- `repo:tag@digest` (Swarm) is followed as `repo:tag`; its digest joins the set. Its containers are
  listed apart (`by_digest`), as making them anew gives the same image.
- An image with a digest but no tag in a repository is listed as `repo@digest`, unless a container
  already says what it is called there.
- Its labels tell its version and base (`image_facts`); an image without them has no such fields, so
  that the hash of an unchanged host stays. So do the labels of its containers (`update_labels`).
- What has no usable name is passed over and counted by reason; nothing here raises for it.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence, Set

from msgspec import UNSET, Struct
from msgspec.structs import replace

from imagedrift_agent.core import image_facts, manifests
from imagedrift_agent.core.origins import Origins, forgotten_manifest
from imagedrift_agent.core.records import (
    Container,
    EngineImage,
    has_image,
    image_id,
    is_prefix_of_id,
)
from imagedrift_agent.core.traits import EngineTraits
from imagedrift_schemas import update_labels
from imagedrift_schemas.digest import is_digest
from imagedrift_schemas.errors import BadReference
from imagedrift_schemas.reference import ImageReference
from imagedrift_schemas.v1 import LocalImage

# Between two attempts of a crash loop a container is "restarting": counted as running, or the
# inventory would change with every attempt.
RUNNING = frozenset({"running", "paused", "restarting"})
MAX_SIZE = 2**63 - 1
NAMELESS = frozenset({"<none>:<none>", "<none>@<none>"})


class ImageList(Struct, frozen=True):
    """The images of a host, and how many things were passed over, by reason."""

    images: tuple[LocalImage, ...]
    skipped: Mapping[str, int]


class _Entry:
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
        return image_facts.repository_of(self.reference)


class _Lists(Struct, frozen=True):
    """The images and containers of an engine, and the facts that only all together tell."""

    images: Mapping[str, EngineImage]
    ignored: Set[str]
    """The ids of images that opted out, with all their containers."""
    containers: Sequence[Container]
    engine: EngineTraits
    origins: Origins


_Entries = dict[tuple[str, str], _Entry]


def list_images(
    images: Sequence[EngineImage],
    containers: Sequence[Container],
    engine: EngineTraits = EngineTraits(),  # noqa: B008 - frozen
) -> ImageList:
    """List what the host has, in canonical order."""
    skipped: Counter[str] = Counter()
    images = _identified(images, skipped)
    known = {image_id(image.id): image for image in images}
    ignored = {own for own, image in known.items() if _opts_out(image_facts.labels_of(image))}
    known = {own: image for own, image in known.items() if own not in ignored}
    origins = Origins(images, containers, engine)
    lists = _Lists(known, ignored, containers, engine, origins)
    entries = _by_tag(known.values(), skipped)
    _add_containers(entries, lists, skipped)
    _add_untagged(entries, known.values(), skipped)
    kept = [entry for entry in entries.values() if entry.containers or not entry.opted_out]
    listed = [image for entry in kept for image in _local_images(entry, lists)]
    return ImageList(tuple(sorted(listed, key=_order)), dict(skipped))


def _identified(images: Sequence[EngineImage], skipped: Counter[str]) -> Sequence[EngineImage]:
    """Pass over images whose id is no digest: ingest would refuse the whole host for one."""
    identified = [image for image in images if is_digest(image_id(image.id))]
    if odd := len(images) - len(identified):
        skipped["bad_id"] = odd
    return identified


def _order(image: LocalImage) -> tuple[str, ...]:
    by_digest = "tag@digest" if image.by_digest is True else ""
    return image.reference, image.image_id, image.manifest_digest, image.platform, by_digest


def _by_tag(images: Iterable[EngineImage], skipped: Counter[str]) -> _Entries:
    """List every image under every tag that it has."""
    entries: _Entries = {}
    for image in images:
        for name in image.repo_tags or ():
            reference = _parse(name, skipped)
            if reference:
                _entry(entries, reference, image, tagged=True)
    return entries


def _add_containers(entries: _Entries, lists: _Lists, skipped: Counter[str]) -> None:
    """Put every container under the reference that it was configured with."""
    for container in lists.containers:
        image = lists.images.get(image_id(container.image_id))
        if image is not None:
            _add_container(entries, container, image, lists, skipped)
        elif has_image(container) and not _is_ignored(container, lists):
            skipped["image_gone"] += 1


def _is_ignored(container: Container, lists: _Lists) -> bool:
    is_with_its_image = image_id(container.image_id) in lists.ignored
    return is_with_its_image or _opts_out(container.labels or {})


def _add_container(
    entries: _Entries,
    container: Container,
    image: EngineImage,
    lists: _Lists,
    skipped: Counter[str],
) -> None:
    if _is_known_by_id(container, image, lists.origins):
        skipped["container_by_id"] += 1
    elif reference := _parse(container.image, skipped):
        digests = image_facts.digests_of(image, reference, lists.engine)
        tagged = reference.is_pinned and reference.digest in digests
        entry = _entry(entries, reference, image, tagged=tagged)
        if _opts_out(container.labels or {}):
            entry.opted_out = True
        else:
            entry.containers.append(container)


def _add_untagged(entries: _Entries, images: Iterable[EngineImage], skipped: Counter[str]) -> None:
    """List images under a digest where nothing else says what they are called there."""
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
    entries: _Entries, reference: ImageReference, image: EngineImage, *, tagged: bool
) -> _Entry:
    """Find or make the entry of an image under a reference."""
    key = (reference.canonical, image_id(image.id))
    entry = entries.setdefault(key, _Entry(reference, image, tagged=tagged))
    if reference.digest:
        entry.digests.add(reference.digest)
    return entry


def _local_images(entry: _Entry, lists: _Lists) -> Iterator[LocalImage]:
    """List an image once per manifest that its containers were made from, and way of naming it."""
    made: dict[tuple[str, bool], list[Container]] = {}
    for container in sorted(entry.containers, key=lambda each: each.id):
        manifest = manifests.manifest_of(container, entry.image)
        made.setdefault((manifest, _is_by_digest(container, entry)), []).append(container)
    if not made:
        made = {(manifests.manifest_to_run(entry.image, lists.engine), False): []}
    for (manifest, by_digest), containers in made.items():
        yield _local_image(entry, manifest, containers, lists, by_digest=by_digest)


def _is_by_digest(container: Container, entry: _Entry) -> bool:
    """Tell whether a container was made from `tag@digest`; by a digest alone it is pinned."""
    return "@" in container.image and not entry.reference.is_pinned


def _local_image(
    entry: _Entry,
    manifest: str,
    containers: Sequence[Container],
    lists: _Lists,
    *,
    by_digest: bool,
) -> LocalImage:
    image, engine = entry.image, lists.engine
    known = lists.origins.known(image, entry.reference, tagged=entry.tagged)
    digests = known.digests | _named_digests(entry, engine)
    is_lost = known.are_lost and not digests
    listed = LocalImage(
        reference=entry.reference.canonical,
        image_id=image_id(image.id),
        repo_digests=tuple(sorted(digests)),
        platform=manifests.platform_of(image, engine, manifest, containers),
        tagged=entry.tagged,
        size=min(max(image.size, 0), MAX_SIZE),
        created_at=image_facts.created_at(image),
        containers=tuple(sorted(_name(container) for container in containers)),
        running=sum(container.state in RUNNING for container in containers),
        manifest_digest=manifest or (forgotten_manifest(image, engine) if is_lost else ""),
        services=image_facts.services_of(containers),
        digest_lost=True if is_lost else UNSET,
        by_digest=True if by_digest else UNSET,
    )
    policy = update_labels.told_by(container.labels or {} for container in containers)
    facts = image_facts.version_facts(image)
    return replace(listed, **facts, policy=policy or UNSET)


def _named_digests(entry: _Entry, engine: EngineTraits) -> Set[str]:
    """Collect the digests in an entry's references; a local image's is no registry's."""
    is_local = image_facts.is_built_here(entry.reference) or (
        image_facts.tells_origin(entry.image, engine)
        and not image_facts.came_from(entry.image, entry.reference, engine)
    )
    return set() if is_local and not entry.reference.is_pinned else entry.digests


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


def _name(container: Container) -> str:
    """The container's own name; links of others to it have a second slash."""
    own = [name for name in container.names or () if "/" not in name.removeprefix("/")]
    return image_facts.shown(own[0].removeprefix("/") if own else container.id[:12])


def _opts_out(labels: Mapping[str, str]) -> bool:
    return labels.get(image_facts.IGNORE_LABEL, "").lower() in ("true", "1", "yes")
