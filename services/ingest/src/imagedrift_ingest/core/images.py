"""The images of an inventory: which are stored, and which are left out.

Rules:
- An image that cannot be stored costs itself and not its host: it is counted, and the first few are
  told with the field and the fix.
- An identity (`core.identities`) is refused when it is wrong. Names of containers, size and date
  only inform: they are cleaned.
- Of more than `MOST_IMAGES` those that run are kept first; `MOST_READ` are looked at.
- Many images are decoded one by one: all at once they would hold up all other threads.
"""

from collections import Counter
from collections.abc import Collection, Iterable, Sequence
from contextlib import suppress
from datetime import datetime
from typing import Any, Final, NamedTuple

import msgspec
from msgspec import UNSET, Raw, Struct, UnsetType

from imagedrift_ingest.core import times
from imagedrift_ingest.core.identities import IdentityReader, ImageKey
from imagedrift_schemas import update_labels
from imagedrift_schemas.constraints import MOST_IMAGES
from imagedrift_schemas.errors import Malformed
from imagedrift_schemas.text import cleaned, mended
from imagedrift_schemas.v1 import LocalImage

MOST_CONTAINERS: Final = 1_000
MOST_NAME: Final = 255
MOST_COUNT: Final = 2**31 - 1
MOST_SIZE: Final = 2**63 - 1
MOST_READ: Final = 5 * MOST_IMAGES
AT_ONCE_BYTES: Final = 1024 * 1024
"""Of images that are decoded at once: some twenty milliseconds."""
FAULTS_TOLD: Final = 5

_images = msgspec.json.Decoder(tuple[LocalImage, ...])
_raw_images = msgspec.json.Decoder(tuple[Raw, ...])
_image = msgspec.json.Decoder(LocalImage)
_UNREADABLE: Final = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)


class HostImage(Struct, frozen=True):
    """One row of a host: a local image under a reference."""

    key: ImageKey
    shared: bool
    """Whether the host has another image of the same reference."""
    local: LocalImage


class HostImages(Struct, frozen=True):
    """The images of an inventory that are stored, and the number of others by reason."""

    images: Sequence[HostImage]
    left_out: dict[str, int] = {}
    faults: tuple[str, ...] = ()
    """Why the first few of them were refused: the field and the fix."""


class Facts(NamedTuple):
    """The facts of an image that no verdict depends on."""

    size: int
    created_at: datetime | None


def own_facts(local: LocalImage, first: Facts) -> dict[str, Any]:
    """Return an image's facts that differ from the first host's, and those of its containers."""
    if first == (local.size, local.created_at) and local.policy is UNSET:
        return {}
    own: dict[str, Any] = {}
    if local.size != first.size:
        own["size"] = local.size
    if local.created_at != first.created_at:
        own["created_at"] = local.created_at
    if not isinstance(local.policy, UnsetType) and (policy := update_labels.read(local.policy)):
        own["policy"] = policy
    return own


class _Read(Struct):
    """Images that were decoded, with their indexes, and what became of the others."""

    listed: list[tuple[int, LocalImage]] = []
    refused: int = 0
    unread: int = 0
    faults: list[str] = []
    """The first few."""

    def refuse(self, fault: str) -> None:
        """Count an image that cannot be stored."""
        self.refused += 1
        if len(self.faults) < FAULTS_TOLD:
            self.faults.append(fault)


def images_of(raw: Raw, keys: IdentityReader, at: datetime) -> HostImages:
    """Read a host's images, told at a moment. Raises `Malformed` when they are no array."""
    read = _decoded(raw)
    over = max(len(read.listed) - MOST_IMAGES, 0)
    if over:
        read.listed = sorted(read.listed, key=lambda each: each[1].running <= 0)[:MOST_IMAGES]
    told_of: dict[ImageKey, list[LocalImage]] = {}
    latest = at + times.DAY
    for index, told in read.listed:
        try:
            key = keys.of(index, told)
            image = _informing(index, told, latest)
        except Malformed as fault:
            read.refuse(str(fault))
            continue
        told_of.setdefault(key, []).append(image)
    several = _several(told_of)
    left_out = {"refused": read.refused, "over_limit": over + read.unread}
    return HostImages(
        [HostImage(key, key.reference in several, _merged(same)) for key, same in told_of.items()],
        {reason: count for reason, count in left_out.items() if count},
        tuple(read.faults),
    )


def _decoded(raw: Raw) -> _Read:
    """Decode images: all at once, or one by one where they are many or that fails."""
    if len(memoryview(raw)) <= AT_ONCE_BYTES:
        with suppress(*_UNREADABLE):
            return _Read([*enumerate(_images.decode(raw))])
    parts = _parts(raw)
    read = _Read(unread=max(len(parts) - MOST_READ, 0))
    for index, part in enumerate(parts[:MOST_READ]):
        if len(memoryview(part)) > AT_ONCE_BYTES:
            read.refuse(f"images[{index}]: more than {AT_ONCE_BYTES} bytes")
            continue
        try:
            read.listed.append((index, _one(part)))
        except _UNREADABLE as error:
            read.refuse(f"images[{index}]: {error}")
    return read


def _one(part: Raw) -> LocalImage:
    try:
        return _image.decode(part)
    except msgspec.ValidationError:  # a wrong type: its text is sound
        raise
    except _UNREADABLE:
        return _image.decode(mended(bytes(part)))


def _parts(raw: Raw) -> tuple[Raw, ...]:
    """Part an array into its images; where a text in it is no Unicode, after that is mended."""
    with suppress(*_UNREADABLE):
        return _raw_images.decode(raw)
    try:
        return _raw_images.decode(mended(bytes(raw)))
    except _UNREADABLE as error:
        raise Malformed(f"images: {error}") from error


def _several(merged: Iterable[ImageKey]) -> Collection[str]:
    """Name the references that a host has several images of: on most hosts there is none."""
    named = [key.reference for key in merged]
    if len(named) == len(set(named)):
        return ()
    return {reference for reference, count in Counter(named).items() if count > 1}


def _informing(index: int, told: LocalImage, latest: datetime) -> LocalImage:
    """Return an image whose informing texts are cleaned. Raises `Malformed` for a wrong count."""
    if not 0 <= told.running <= MOST_COUNT:
        raise Malformed(f"images[{index}].running: must be a count")
    if not 0 <= told.size <= MOST_SIZE:
        raise Malformed(f"images[{index}].size: must be a count of bytes")
    created_at = told.created_at and times.plausible(told.created_at, latest)
    containers = told.containers and _names(told.containers)
    if created_at is told.created_at and containers is told.containers:
        return told
    return msgspec.structs.replace(told, created_at=created_at, containers=containers)


def _names(told: tuple[str, ...]) -> tuple[str, ...]:
    """Clean the names of containers; of too many the first are kept, of empty ones none."""
    together = "".join(told)
    if len(together) <= MOST_NAME and together.isprintable() and all(told):
        return told
    return tuple(cleaned(name, MOST_NAME) for name in told[:MOST_CONTAINERS] if name)


def _merged(same: Sequence[LocalImage]) -> LocalImage:
    """Add up an image that several spellings of one reference listed, all of them at once."""
    if len(same) == 1:
        return same[0]
    containers = sorted({name for one in same for name in one.containers})
    return msgspec.structs.replace(
        same[0],
        tagged=any(one.tagged for one in same),
        running=max(one.running for one in same),
        containers=tuple(containers[:MOST_CONTAINERS]),
    )
