"""Under which digests a registry knows an image: known, none ever, or forgotten by the engine.

| the engine's word on the image                         | the image is | digests          |
|--------------------------------------------------------|--------------|------------------|
| repo digests of the reference's repository             | known        | these            |
| its name is Podman's for local images                  | local        |                  |
| tells origins, not this repository                     | local        |                  |
| tells origins, this repository                         | known        | the store's own  |
| tagged, classic store                                  | local        |                  |
| tagged, classic store, one index holds two platforms   | lost         |                  |
| not tagged, the tag's image is local                   | local        |                  |
| not tagged, a store that forgets, the tag's is known   | known        | the store's own  |
| anything else                                          | lost         |                  |

"Tagged" means that the image has the reference as a tag. The classic store keeps a digest for one
image only: a second platform that is pulled from the same index takes the tag and gets none
(moby/moby#18873). A container's reference that its image lost says that the image had it once.
"""

from collections.abc import Iterable

from msgspec import Struct

from imagedrift_agent.core import image_facts, manifests
from imagedrift_agent.core.records import Container, EngineImage, image_id
from imagedrift_agent.core.traits import EngineTraits
from imagedrift_schemas.digest import is_digest
from imagedrift_schemas.errors import BadReference
from imagedrift_schemas.reference import ImageReference


class KnownDigests(Struct, frozen=True):
    """The digests by which the registry knows an image, and whether the engine forgot them."""

    digests: frozenset[str] = frozenset()
    are_lost: bool = False


_LOCAL, _LOST = KnownDigests(), KnownDigests(are_lost=True)


class Origins:
    """Where the images of one host came from, as far as each of them and the others tell."""

    def __init__(
        self, images: Iterable[EngineImage], containers: Iterable[Container], engine: EngineTraits
    ) -> None:
        self._engine = engine
        self._tagged: dict[str, list[EngineImage]] = {}
        self._in_repository: dict[tuple[str, str], list[EngineImage]] = {}
        self._used_as: dict[str, set[str]] = {}
        for image in images:
            self._note(image)
        for container in containers:
            if reference := parsed(container.image):
                own = image_id(container.image_id)
                self._used_as.setdefault(own, set()).add(reference.canonical)

    def is_a_tag(self, text: str) -> bool:
        """Tell whether any image of the host has this name as a tag."""
        reference = parsed(text)
        return reference is not None and reference.canonical in self._tagged

    def known(self, image: EngineImage, reference: ImageReference, *, tagged: bool) -> KnownDigests:
        """Find the digests by which the reference's registry knows the image."""
        if digests := image_facts.digests_of(image, reference, self._engine):
            return KnownDigests(frozenset(digests))
        if image_facts.is_built_here(reference):
            return _LOCAL
        if image_facts.tells_origin(image, self._engine):
            came = image_facts.came_from(image, reference, self._engine)
            return _own_digest(image) if came else _LOCAL
        if tagged:
            return self._of_tagged(image, reference)
        return self._of_untagged(image, reference)

    def _of_tagged(self, image: EngineImage, reference: ImageReference) -> KnownDigests:
        if self._engine.forgets or self._is_second_platform(image, reference):
            return _LOST
        return _LOCAL

    def _of_untagged(self, image: EngineImage, reference: ImageReference) -> KnownDigests:
        owners = [
            self.known(owner, reference, tagged=True)
            for owner in self._tagged.get(reference.canonical, ())
            if image_id(owner.id) != image_id(image.id)
        ]
        if owners and not any(owner.digests or owner.are_lost for owner in owners):
            return _LOCAL
        if self._engine.forgets and any(owner.digests for owner in owners):
            return _own_digest(image)
        return _LOST

    def _is_second_platform(self, image: EngineImage, reference: ImageReference) -> bool:
        """Tell whether an image of another platform, which lost this tag, has the digest."""
        own = self._platform(image)
        return any(
            self._platform(other) != own and self._lost_the_tag(other, reference)
            for other in self._in_repository.get(image_facts.repository_of(reference), ())
            if image_id(other.id) != image_id(image.id)
        )

    def _lost_the_tag(self, image: EngineImage, reference: ImageReference) -> bool:
        """Tell whether the image had the tag: it has no other one, or a container says so."""
        tags = [tag for tag in map(parsed, image.repo_tags or ()) if tag]
        if reference.canonical in {tag.canonical for tag in tags}:
            return False
        here = image_facts.repository_of(reference)
        is_dangling = all(image_facts.repository_of(tag) != here for tag in tags)
        return is_dangling or reference.canonical in self._used_as.get(image_id(image.id), ())

    def _platform(self, image: EngineImage) -> str:
        return manifests.platform_of(image, self._engine)

    def _note(self, image: EngineImage) -> None:
        for tag in filter(None, map(parsed, image.repo_tags or ())):
            self._tagged.setdefault(tag.canonical, []).append(image)
        named = [name for name in map(parsed, image.repo_digests or ()) if name and name.digest]
        for repository in {image_facts.repository_of(name) for name in named}:
            self._in_repository.setdefault(repository, []).append(image)


def parsed(text: str) -> ImageReference | None:
    """Read a name; None for a text that is none."""
    try:
        return ImageReference.parse(text)
    except BadReference:
        return None


def forgotten_manifest(image: EngineImage, engine: EngineTraits) -> str:
    """Name the store's own digest of an image where it is a manifest's and no index's."""
    if not is_digest(image.digest):
        return ""
    is_manifest = bool(image.descriptor and image.descriptor.media_type)
    is_manifest = is_manifest and not manifests.is_index(image.descriptor)
    return image.digest if is_manifest or engine.store == "podman" else ""


def _own_digest(image: EngineImage) -> KnownDigests:
    return KnownDigests(frozenset({image.digest})) if is_digest(image.digest) else _LOST
