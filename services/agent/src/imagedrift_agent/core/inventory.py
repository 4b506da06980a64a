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
from collections.abc import Iterator, Mapping, Sequence, Set

from msgspec import UNSET, Struct
from msgspec.structs import replace

from imagedrift_agent.core import image_facts, manifests
from imagedrift_agent.core.image_entries import HostRecords, ImageEntry, list_entries, opts_out
from imagedrift_agent.core.origins import Origins, forgotten_manifest
from imagedrift_agent.core.records import Container, EngineImage, image_id
from imagedrift_agent.core.traits import EngineTraits
from imagedrift_schemas import update_labels
from imagedrift_schemas.digest import is_digest
from imagedrift_schemas.v1 import LocalImage

# Between two attempts of a crash loop a container is "restarting": counted as running, or the
# inventory would change with every attempt.
RUNNING = frozenset({"running", "paused", "restarting"})
MAX_SIZE = 2**63 - 1


class ImageList(Struct, frozen=True):
    """The images of a host, and how many things were passed over, by reason."""

    images: tuple[LocalImage, ...]
    skipped: Mapping[str, int]


def list_images(
    images: Sequence[EngineImage],
    containers: Sequence[Container],
    engine: EngineTraits = EngineTraits(),  # noqa: B008 - frozen
) -> ImageList:
    """List the images of the host, in canonical order."""
    skipped: Counter[str] = Counter()
    images = _identified(images, skipped)
    known = {image_id(image.id): image for image in images}
    ignored = {own for own, image in known.items() if opts_out(image_facts.labels_of(image))}
    known = {own: image for own, image in known.items() if own not in ignored}
    origins = Origins(images, containers, engine)
    lists = HostRecords(known, ignored, containers, engine, origins)
    entries = list_entries(lists, skipped)
    listed = [image for entry in entries for image in _local_images(entry, lists)]
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


def _local_images(entry: ImageEntry, lists: HostRecords) -> Iterator[LocalImage]:
    """List an image once per manifest that its containers were made from, and way of naming it."""
    made: dict[tuple[str, bool], list[Container]] = {}
    for container in sorted(entry.containers, key=lambda each: each.id):
        manifest = manifests.manifest_of(container, entry.image)
        made.setdefault((manifest, _is_by_digest(container, entry)), []).append(container)
    if not made:
        made = {(manifests.manifest_to_run(entry.image, lists.engine), False): []}
    for (manifest, by_digest), containers in made.items():
        yield _local_image(entry, manifest, containers, lists, by_digest=by_digest)


def _is_by_digest(container: Container, entry: ImageEntry) -> bool:
    """Tell whether a container was made from `tag@digest`; by a digest alone it is pinned."""
    return "@" in container.image and not entry.reference.is_pinned


def _local_image(
    entry: ImageEntry,
    manifest: str,
    containers: Sequence[Container],
    lists: HostRecords,
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


def _named_digests(entry: ImageEntry, engine: EngineTraits) -> Set[str]:
    """Collect the digests in an entry's references; a local image's is no registry's."""
    is_local = image_facts.is_built_here(entry.reference) or (
        image_facts.tells_origin(entry.image, engine)
        and not image_facts.came_from(entry.image, entry.reference, engine)
    )
    return set() if is_local and not entry.reference.is_pinned else entry.digests


def _name(container: Container) -> str:
    """The container's own name; links of others to it have a second slash."""
    own = [name for name in container.names or () if "/" not in name.removeprefix("/")]
    return image_facts.shown(own[0].removeprefix("/") if own else container.id[:12])
