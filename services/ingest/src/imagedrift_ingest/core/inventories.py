"""What an inventory message must be, and which of several counts.

Rules:
- The subject says who speaks: a message may only be about that host (P8).
- Of several messages about one host the one stored last counts.
- What decides whose message it is and which counts refuses it, with the field's name (P9); what a
  host says of itself is cleaned (`profile`), and of its images each costs itself (`images`).
"""

from collections.abc import Iterable
from contextlib import suppress
from datetime import datetime
from typing import Final, NamedTuple, TypeAlias, TypeVar

from msgspec import Struct

from imagedrift_ingest.core import profile
from imagedrift_schemas import codec, subjects
from imagedrift_schemas.compression import decompressed
from imagedrift_schemas.digest import is_digest
from imagedrift_schemas.errors import Malformed
from imagedrift_schemas.text import cleaned, mended
from imagedrift_schemas.v1 import Alive, InventoryEnvelope

HostName: TypeAlias = tuple[str, str]
"""A host's site and its id there."""

MOST_INTERVAL_S: Final = 2**31 - 1
MOST_VALUES: Final = 1_000_000
"""Each takes some hundred bytes of memory, however few it takes in a message."""
MOST_TURNS: Final = 8
HASH_BYTES: Final = 32
HASH_LENGTH: Final = len("sha256:") + 2 * HASH_BYTES

Message = TypeVar("Message", Alive, InventoryEnvelope)


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


def read(subject: str, payload: bytes, seq: int, stored_at: datetime) -> Said:
    """Read a message, its images aside. Raises `Malformed` naming the field."""
    told = _decoded(decompressed(payload), InventoryEnvelope)
    if (told.site, told.host) != subjects.host_of(subject):
        raise Malformed(f"site and host: {told.site}/{told.host} is not whose subject it is")
    if not is_digest(told.content) or not told.content.startswith("sha256:"):
        raise Malformed("content: not of the form sha256:<64 hex digits>")
    _check_interval(told.interval_s)
    envelope = profile.cleaned_profile(told)
    return Said(
        envelope.site,
        envelope.host,
        seq,
        stored_at,
        bytes.fromhex(envelope.content[7:]),
        profile.about_hash(envelope),
        envelope,
    )


def alive(payload: bytes) -> Alive:
    """Read a heartbeat. Raises `Malformed` naming the field."""
    return _decoded(payload, Alive)


def sign_of(alive: Alive) -> Sign:
    """Take what counts of a heartbeat. Raises `Malformed` naming the field."""
    _check_interval(alive.interval_s)
    content = _hash(alive.content) if alive.content else None
    boot = profile.boot_of(alive.boot)
    degraded = cleaned(alive.degraded, profile.MOST_DEGRADED)
    return Sign(content, alive.interval_s, degraded, (boot,) if boot else ())


def newest(said: Iterable[Said]) -> list[Said]:
    """Keep what each host said last, in the order of their names."""
    last: dict[tuple[str, str], Said] = {}
    for one in said:
        before = last.get((one.site, one.host))
        if before is None or one.seq > before.seq:
            last[one.site, one.host] = one
    return [last[name] for name in sorted(last)]


def _decoded(payload: bytes, kind: type[Message]) -> Message:
    """Decode a message; one with a text that is no Unicode after that is mended."""
    if len(payload) > MOST_VALUES and payload.count(b",") > MOST_VALUES:
        raise Malformed(f"more than {MOST_VALUES} values: no host has so many images")
    try:
        return codec.decode(payload, kind)
    except Malformed:
        return codec.decode(mended(payload), kind)


def _hash(content: str) -> bytes:
    """Read the hash of a host's images. Without a pattern: a fleet sends thousands a second."""
    if len(content) == HASH_LENGTH and content.startswith("sha256:"):
        with suppress(ValueError):
            told = bytes.fromhex(content[7:])
            if len(told) == HASH_BYTES:  # `fromhex` reads past white space
                return told
    raise Malformed("content: not of the form sha256:<64 hex digits>")


def _check_interval(interval_s: int) -> None:
    if not 0 < interval_s <= MOST_INTERVAL_S:
        raise Malformed("interval_s: must be a positive number of seconds")
