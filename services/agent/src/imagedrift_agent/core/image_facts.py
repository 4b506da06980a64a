"""Facts of one image's record, whichever engine and image store wrote it.

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
from msgspec.structs import replace

from imagedrift_agent.core.records import Container, EngineImage, ImageConfig
from imagedrift_agent.core.traits import EngineTraits
from imagedrift_schemas.constraints import MOST_FACT
from imagedrift_schemas.digest import is_digest
from imagedrift_schemas.errors import BadReference
from imagedrift_schemas.image_labels import LABELS, facts_in
from imagedrift_schemas.reference import ImageReference
from imagedrift_schemas.text import cleaned

MOST_TEXT: Final = 2000
IGNORE_LABEL: Final = "imagedrift.ignore"
_LABELS_READ: Final = frozenset({IGNORE_LABEL, *LABELS})
_MOST_LABEL: Final = 4 * MOST_FACT
"""Characters of a label that is kept: one that is longer is left out of every use anyhow."""
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_BUILT_HERE: Final = "localhost"
"""Podman's registry of images that come from none."""
_PROJECT: Final = "com.docker.compose.project"
_SERVICE: Final = "com.docker.compose.service"
_SWARM_SERVICE: Final = "com.docker.swarm.service.name"


def digests_of(image: EngineImage, reference: ImageReference, engine: EngineTraits) -> set[str]:
    """Collect the digests that the reference's repository knows the image by."""
    if is_built_here(reference) or not came_from(image, reference, engine):
        return set()
    repository = repository_of(reference)
    parsed = map(_with_digest, image.repo_digests or ())
    return {p.digest for p in parsed if p and repository_of(p) == repository}


def is_built_here(reference: ImageReference) -> bool:
    """Tell whether the name is Podman's for an image of no registry."""
    return reference.registry == _BUILT_HERE


def tells_origin(image: EngineImage, engine: EngineTraits) -> bool:
    """Tell whether the engine says where this image came from; then silence is an answer."""
    origin = image.identity
    return bool(origin and (origin.pull or origin.build)) or (
        engine.tells_origins and image.is_detailed
    )


def came_from(image: EngineImage, reference: ImageReference, engine: EngineTraits) -> bool:
    """Tell whether the image may have come from the reference's repository."""
    if not tells_origin(image, engine):
        return True
    return repository_of(reference) in _origins(image)


def repository_of(reference: ImageReference) -> tuple[str, str]:
    """Name a repository in such a way that all spellings of it are equal."""
    return reference.registry, reference.repository


def created_at(image: EngineImage) -> datetime | None:
    """Read when the image was made; None for nonsense and for the year 1 of reproducible builds."""
    try:
        created = msgspec.convert(image.created, datetime)
    except msgspec.ValidationError:
        return None
    if created.tzinfo is None or created <= _EPOCH:
        return None
    try:
        return created.astimezone(UTC)
    except OverflowError:  # the last hours of the year 9999, west of Greenwich
        return None


def labels_of(image: EngineImage) -> Mapping[str, str]:
    """Return an image's labels."""
    return (image.config.labels if image.config else None) or {}


def with_few_labels(image: EngineImage) -> EngineImage:
    """Keep the labels that are read: an image may have any number of them, of any size."""
    kept = {
        label: text
        for label, text in labels_of(image).items()
        if label in _LABELS_READ and len(text) <= _MOST_LABEL
    }
    return replace(image, config=ImageConfig(kept) if kept else None)


def version_facts(image: EngineImage) -> dict[str, str]:
    """Read the version and the base of an image from its labels; nothing where it has none."""
    return facts_in(labels_of(image))


def shown(text: str) -> str:
    """Make a text of the engine fit to be shown, as ingest would."""
    return cleaned(text, MOST_TEXT)


def services_of(containers: Sequence[Container]) -> tuple[str, ...]:
    """Name the services of containers: `project/service` of compose, or the service of a Swarm."""
    named = (shown(_service(container.labels or {})) for container in containers)
    return tuple(sorted({name for name in named if name}))


def _service(labels: Mapping[str, str]) -> str:
    project, service = labels.get(_PROJECT, ""), labels.get(_SERVICE, "")
    return "/".join(filter(None, (project, service))) or labels.get(_SWARM_SERVICE, "")


def _origins(image: EngineImage) -> set[tuple[str, str]]:
    """Collect the repositories that the engine pulled the image from, or pushed it to."""
    pulled = (image.identity.pull if image.identity else None) or ()
    parsed = (_parsed(each.repository) for each in pulled)
    return {repository_of(p) for p in parsed if p}


def _with_digest(text: str) -> ImageReference | None:
    parsed = _parsed(text)
    return parsed if parsed and is_digest(parsed.digest) else None


def _parsed(text: str) -> ImageReference | None:
    try:
        return ImageReference.parse(text)
    except BadReference:
        return None
