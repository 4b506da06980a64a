"""The identity of a local image: what counts for its verdict, and the facts that its labels tell.

Labels are part of an image's configuration, so whoever has the image tells the same. A host that
tells others has an image of its own, and decides for no other host.

It is refused when it is wrong, never repaired. An image with more digests than `MOST_DIGESTS` has
none: to keep some would be a guess, as the one left out may be what its tag points to.
"""

import hashlib
from typing import Any, Final

from msgspec import Struct

from imagedrift_ingest.core import versions
from imagedrift_ingest.core.bounded_cache import BoundedCache
from imagedrift_schemas.constraints import MOST_DIGESTS
from imagedrift_schemas.digest import is_digest
from imagedrift_schemas.errors import BadReference, Malformed
from imagedrift_schemas.reference import ImageReference
from imagedrift_schemas.v1 import LocalImage

MOST_PLATFORM: Final = 200
MOST_REMEMBERED: Final = 64 * 1024 * 1024
ENTRY: Final = 800
"""Bytes of an identity beside its texts, about."""

SEPARATOR: Final = "\x1f"

ReportedIdentity = tuple[Any, ...]
"""The identity of an image as its host told it."""


class ImageKey(Struct, frozen=True, cache_hash=True):
    """The identity of a distinct local image: what counts for its verdict, and its labels."""

    reference: str
    image_id: str
    repo_digests: tuple[str, ...]
    platform: str
    manifest_digest: str = ""
    digest_lost: bool = False
    by_digest: bool = False
    labels: versions.LabelFacts = ()
    """Empty where they tell nothing."""

    @property
    def identity(self) -> bytes:
        """The hash that tells it from other images of its reference: `fleet.identity_of`."""
        flags = ("true" if flag else "false" for flag in (self.digest_lost, self.by_digest))
        digests = ",".join(self.repo_digests)
        told = "|".join((self.image_id, digests, self.manifest_digest, *flags, self.platform))
        facts = SEPARATOR.join(("", *self.labels))  # no platform has a separator
        return hashlib.sha256((told + facts).encode()).digest()


class IdentityCache:
    """Identities that were read before and stored: a fleet has few, and tells them often."""

    def __init__(self, most_bytes: int = MOST_REMEMBERED) -> None:
        self._stored: BoundedCache[ReportedIdentity, ImageKey] = BoundedCache(most_bytes)

    def reading(self) -> "IdentityReader":
        """Begin to read a batch."""
        return IdentityReader(self._stored)


class IdentityReader:
    """The identities of a batch. Those that are new are remembered when the batch is stored.

    May be used in a thread: it changes nothing that others have until `keep`.
    """

    def __init__(self, stored: BoundedCache[ReportedIdentity, ImageKey]) -> None:
        self._stored = stored
        self._new: dict[ReportedIdentity, ImageKey] = {}

    def of(self, index: int, image: LocalImage) -> ImageKey:
        """Return the identity of an image. Raises `Malformed` naming the field."""
        labels = versions.of_local(image)  # bounded, unlike what was sent
        told = (
            image.reference,
            image.image_id,
            image.repo_digests,
            image.platform,
            image.manifest_digest,
            image.digest_lost,
            image.by_digest,
            labels,
        )
        found = self._stored.recent(told)
        if found is None:
            found = self._new.get(told)
        if found is None:
            found = self._stored.peek(told) or _checked(f"images[{index}]", image, labels)
            self._new[told] = found
        return found

    def keep(self) -> None:
        """Remember the identities that were read: the database has taken them."""
        for told, key in self._new.items():
            self._stored.put(told, key, weight(key))
        self._new = {}


def weight(key: ImageKey) -> int:
    """Return how many bytes it takes to remember an identity, about."""
    texts = 2 * len(key.reference) + 130 * len(key.repo_digests)
    return ENTRY + texts + sum(2 * len(text) for text in key.labels)


def _checked(where: str, image: LocalImage, labels: versions.LabelFacts) -> ImageKey:
    try:
        reference = ImageReference.parse(image.reference).canonical
    except BadReference as error:
        raise Malformed(f"{where}.reference: {error}") from error
    if not is_digest(image.image_id):
        raise Malformed(f"{where}.image_id: {image.image_id[:80]!a} is no digest")
    if len(image.repo_digests) > MOST_DIGESTS:
        raise Malformed(f"{where}.repo_digests: more than {MOST_DIGESTS}")
    for digest in image.repo_digests:
        if not is_digest(digest):
            raise Malformed(f"{where}.repo_digests: {digest[:80]!a} is no digest")
    if image.manifest_digest and not is_digest(image.manifest_digest):
        raise Malformed(f"{where}.manifest_digest: {image.manifest_digest[:80]!a} is no digest")
    if not 0 < len(image.platform) <= MOST_PLATFORM or not image.platform.isprintable():
        raise Malformed(f"{where}.platform: {image.platform[:80]!a} is none")
    digests = tuple(sorted(set(image.repo_digests)))
    return ImageKey(
        reference,
        image.image_id,
        digests,
        image.platform,
        image.manifest_digest,
        image.digest_lost is True and not digests,
        image.by_digest is True,
        labels,
    )
