"""What an inventory message must be, and which of several counts.

Rules:
- The subject says who speaks: a message may only be about that host (P8).
- Of several messages about one host the one stored last counts.
- Everything that the database would refuse is found here first, with the field's name, so that
  one bad message costs itself and not its batch (P9).
"""

import hashlib
from collections.abc import Collection, Iterable, Mapping, Sequence
from contextlib import suppress
from datetime import datetime
from typing import Any, Final, NamedTuple

import msgspec
from msgspec import Raw, Struct

from imagedrift_schemas import codec, subjects
from imagedrift_schemas.digest import is_digest
from imagedrift_schemas.errors import BadReference, Malformed
from imagedrift_schemas.reference import ImageReference
from imagedrift_schemas.v1 import Alive, Host, InventoryEnvelope, LocalImage

MOST_IMAGES: Final = 20_000
FAULTS_TOLD: Final = 5
MOST_TEXT: Final = 4096
MOST_COUNT: Final = 2**31 - 1
MOST_SIZE: Final = 2**63 - 1
MOST_PLATFORM: Final = 200
MOST_BOOT: Final = 64
MOST_TURNS: Final = 8
MOST_REASONS: Final = 32
MOST_REASON: Final = 64
HASH_LENGTH: Final = len("sha256:") + 64

_images = msgspec.json.Decoder(tuple[LocalImage, ...])
_raw_images = msgspec.json.Decoder(tuple[Raw, ...])
_image = msgspec.json.Decoder(LocalImage)
_about = msgspec.json.Encoder(order="deterministic")
_CONTROL: Final = dict.fromkeys(map(chr, range(32)))


class Said(Struct, frozen=True):
    """What one host said last: checked, its images still bytes."""

    site: str
    host: str
    seq: int
    seen_at: datetime
    content: bytes
    about: bytes
    envelope: InventoryEnvelope


class Sign(NamedTuple):
    """What a host says that has nothing new to say."""

    content: bytes | None
    """The hash of its images; None when its engine never told any."""
    interval_s: int
    degraded: str
    boots: tuple[str, ...] = ()
    """The starts of agents that said so since one was stored, in turn; bounded."""

    def after(self, before: "Sign | None") -> "Sign":
        """Return this sign in place of an earlier one: two machines may speak for one host."""
        turns = before.boots if before else ()
        new = self.boots if turns[-1:] != self.boots else ()
        return self._replace(boots=(turns + new)[-MOST_TURNS:])


class Image(Struct, frozen=True):
    """One row of a host: a local image under a reference."""

    key: "ImageKey"
    shared: bool
    """Whether the host has another image of the same reference."""
    local: LocalImage


class HostImages(Struct, frozen=True):
    """What is stored of one inventory's images, and how many are not, by reason."""

    images: Sequence[Image]
    left_out: dict[str, int] = {}
    faults: tuple[str, ...] = ()
    """Why the first few of them were refused: the field and the fix."""


class ImageKey(Struct, frozen=True):
    """The identity of a distinct local image: all that counts for its verdict."""

    reference: str
    image_id: str
    repo_digests: tuple[str, ...]
    platform: str
    manifest_digest: str = ""
    digest_lost: bool = False
    by_digest: bool = False


def read(subject: str, payload: bytes, seq: int, stored_at: datetime) -> Said:
    """Read a message, its images aside. Raises `Malformed` naming the field."""
    envelope = codec.decode(payload, InventoryEnvelope)
    if (envelope.site, envelope.host) != subjects.host_of(subject):
        raise Malformed(
            f"site and host: {envelope.site}/{envelope.host} is not whose subject it is"
        )
    if not is_digest(envelope.content) or not envelope.content.startswith("sha256:"):
        raise Malformed("content: not of the form sha256:<64 hex digits>")
    _check_interval(envelope.interval_s)
    for name in _TEXTS:
        _check_text(name, getattr(envelope, name))
    for key, value in envelope.labels.items():
        _check_text("labels", key + value)
    return Said(
        envelope.site,
        envelope.host,
        seq,
        stored_at,
        bytes.fromhex(envelope.content[7:]),
        about_hash(envelope),
        envelope,
    )


_TEXTS: Final = (
    "hostname",
    "place",
    "os",
    "arch",
    "engine",
    "engine_version",
    "agent_version",
    "degraded",
)


def sign_of(alive: Alive) -> Sign:
    """Read a heartbeat. Raises `Malformed` naming the field."""
    _check_interval(alive.interval_s)
    if alive.degraded:
        _check_text("degraded", alive.degraded)
    content = _hash(alive.content) if alive.content else None
    boot = boot_of(alive.boot)
    return Sign(content, alive.interval_s, alive.degraded, (boot,) if boot else ())


def boot_of(text: str) -> str:
    """Take an agent's name for its start, as far as it can be shown."""
    return "".join(filter(str.isprintable, text[:MOST_BOOT]))


def skipped_of(told: Mapping[str, int]) -> dict[str, int]:
    """Take what a host left out, bounded: it only informs, so nothing in it refuses the host."""
    named = (
        ("".join(filter(str.isprintable, reason[:MOST_REASON])), count)
        for reason, count in sorted(told.items())[:MOST_REASONS]
    )
    return {reason: min(max(count, 0), MOST_COUNT) for reason, count in named if reason}


def newest(said: Iterable[Said]) -> list[Said]:
    """Keep what each host said last, in the order of their names."""
    last: dict[tuple[str, str], Said] = {}
    for one in said:
        before = last.get((one.site, one.host))
        if before is None or one.seq > before.seq:
            last[one.site, one.host] = one
    return [last[name] for name in sorted(last)]


def about_hash(host: Host) -> bytes:
    """Hash what a host says of itself, in 16 bytes."""
    facts = (host.hostname, host.labels, host.place, host.os, host.arch)
    programs = (host.engine, host.engine_version, host.agent_version)
    said = (facts, programs, host.skipped) if host.skipped else (facts, programs)
    return hashlib.blake2b(_about.encode(said), digest_size=16).digest()


def images_of(raw: Raw, keys: "Keys") -> HostImages:
    """Read a host's images, and leave out what cannot be stored: one image costs itself only.

    Raises `Malformed` when they are no array.
    """
    listed, faults = _listed(raw)
    over = max(len(listed) - MOST_IMAGES, 0)
    if over:
        listed = sorted(listed, key=lambda each: each[1].running <= 0)[:MOST_IMAGES]
    merged: dict[ImageKey, LocalImage] = {}
    for place, image in listed:
        try:
            key = keys.of(place, image)
            if image.containers or image.running:
                _check_containers(place, image)
        except Malformed as fault:
            faults.append(str(fault))
            continue
        merged[key] = image if key not in merged else _merge(merged[key], image)
    several = _several({key.reference for key in merged}, merged)
    return HostImages(
        [Image(key, key.reference in several, image) for key, image in merged.items()],
        {reason: n for reason, n in (("refused", len(faults)), ("over_limit", over)) if n},
        tuple(faults[:FAULTS_TOLD]),
    )


def _listed(raw: Raw) -> tuple[list[tuple[int, LocalImage]], list[str]]:
    """Decode images with their places: all at once, or one by one where that fails."""
    with suppress(msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return [*enumerate(_images.decode(raw))], []
    try:
        parts = _raw_images.decode(raw)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise Malformed(f"images: {error}") from error
    listed: list[tuple[int, LocalImage]] = []
    faults: list[str] = []
    for place, part in enumerate(parts):
        try:
            listed.append((place, _image.decode(part)))
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            faults.append(f"images[{place}]: {error}")
    return listed, faults


def _several(references: set[str], merged: Iterable[ImageKey]) -> Collection[str]:
    """Name the references that a host has several images of: on most hosts there is none."""
    counted = [key.reference for key in merged]
    if len(counted) == len(references):
        return ()
    return {reference for reference in references if counted.count(reference) > 1}


class Keys:
    """Identities that were read before: a fleet has few distinct images, and says them often."""

    def __init__(self, most: int = 100_000) -> None:
        self._read: dict[tuple[Any, ...], ImageKey] = {}
        self._most = most

    def of(self, place: int, image: LocalImage) -> ImageKey:
        """Return the identity of an image. Raises `Malformed` naming the field."""
        said = (
            image.reference,
            image.image_id,
            image.repo_digests,
            image.platform,
            image.manifest_digest,
            image.digest_lost,
            image.by_digest,
        )
        found = self._read.get(said)
        if found is None:
            found = _checked(f"images[{place}]", image)
            if len(self._read) >= self._most:
                self._read.clear()
            self._read[said] = found
        return found


def _checked(where: str, image: LocalImage) -> ImageKey:
    try:
        reference = ImageReference.parse(image.reference).canonical
    except BadReference as error:
        raise Malformed(f"{where}.reference: {error}") from error
    if not is_digest(image.image_id):
        raise Malformed(f"{where}.image_id: {image.image_id[:80]!a} is no digest")
    for digest in image.repo_digests:
        if not is_digest(digest):
            raise Malformed(f"{where}.repo_digests: {digest[:80]!a} is no digest")
    if image.manifest_digest and not is_digest(image.manifest_digest):
        raise Malformed(f"{where}.manifest_digest: {image.manifest_digest[:80]!a} is no digest")
    if not image.platform or len(image.platform) > MOST_PLATFORM:
        raise Malformed(f"{where}.platform: {image.platform[:80]!a} is none")
    if not 0 <= image.size <= MOST_SIZE:
        raise Malformed(f"{where}.size: must be a count of bytes")
    _check_text(f"{where}.platform", image.platform)
    digests = tuple(sorted(set(image.repo_digests)))
    return ImageKey(
        reference,
        image.image_id,
        digests,
        image.platform,
        image.manifest_digest,
        image.digest_lost is True and not digests,
        image.by_digest is True,
    )


def _check_containers(place: int, image: LocalImage) -> None:
    if not 0 <= image.running <= MOST_COUNT:
        raise Malformed(f"images[{place}].running: must be a count")
    for name in image.containers:
        _check_text(f"images[{place}].containers", name)


def _merge(one: LocalImage, other: LocalImage) -> LocalImage:
    """Add up an image that two spellings of one reference listed twice."""
    return msgspec.structs.replace(
        one,
        tagged=one.tagged or other.tagged,
        running=max(one.running, other.running),
        containers=tuple(sorted({*one.containers, *other.containers})),
    )


def _hash(content: str) -> bytes:
    """Read the hash of a host's images. Without a pattern: a fleet sends thousands a second."""
    if len(content) == HASH_LENGTH and content.startswith("sha256:"):
        with suppress(ValueError):
            return bytes.fromhex(content[7:])
    raise Malformed("content: not of the form sha256:<64 hex digits>")


def _check_interval(interval_s: int) -> None:
    if not 0 < interval_s <= MOST_COUNT:
        raise Malformed("interval_s: must be a positive number of seconds")


def _check_text(field: str, text: str) -> None:
    if len(text) > MOST_TEXT:
        raise Malformed(f"{field}: longer than {MOST_TEXT} characters")
    if not text.isprintable() and any(character in _CONTROL for character in text):
        raise Malformed(f"{field}: {text[:80]!a} has a control character")
