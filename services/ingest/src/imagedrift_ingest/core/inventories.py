"""Reads an inventory message, and tells which of several counts.

Rules:
- The subject says who speaks: a message may only be about that host (P8).
- Of several messages about one host the one stored last counts.
- What decides whose message it is and which counts refuses it, with the field's name (P9); what a
  host says of itself is cleaned (`profile`), and of its images each costs itself (`images`).
- Tens of thousands of labels, or of counts of what was skipped, are left out: to read a million of
  them would hold up all other threads.
"""

from collections.abc import Iterable
from datetime import datetime
from typing import Any, Final, TypeAlias, TypeVar

import msgspec
from msgspec import Raw, Struct

from imagedrift_ingest.core import profile
from imagedrift_schemas import codec, subjects
from imagedrift_schemas.compression import decompressed
from imagedrift_schemas.digest import is_digest
from imagedrift_schemas.errors import Malformed
from imagedrift_schemas.text import mended
from imagedrift_schemas.v1 import InventoryEnvelope

HostName: TypeAlias = tuple[str, str]
"""A host's site and its id there."""

MOST_INTERVAL_S: Final = 2**31 - 1
MOST_VALUES: Final = 1_000_000
"""Each takes some hundred bytes of memory, however few it takes in a message."""
LARGE: Final = 1024 * 1024
MOST_ENTRIES: Final = 20_000
_TABLES: Final = {"labels": dict[str, str], "skipped": dict[str, int]}
_Outline: Final = msgspec.defstruct(
    "InventoryEnvelope",
    [
        (each.name, Raw, Raw(b"{}"))
        if each.name in _TABLES
        else (each.name, each.type)
        if each.required
        else (each.name, each.type, each.default)
        for each in sorted(msgspec.structs.fields(InventoryEnvelope), key=lambda f: not f.required)
    ],
    frozen=True,
    kw_only=True,
    tag_field="type",
    tag="inventory",
)
"""An inventory whose images, labels and counts are still bytes."""

Message = TypeVar("Message", bound=Struct)


class ReceivedInventory(Struct, frozen=True):
    """An inventory as it was received: checked, its images still bytes."""

    site: str
    host: str
    seq: int
    seen_at: datetime
    content: bytes
    about: bytes
    envelope: InventoryEnvelope

    @property
    def name(self) -> HostName:
        """Name the host that it is of."""
        return self.site, self.host


def read(subject: str, payload: bytes, seq: int, stored_at: datetime) -> ReceivedInventory:
    """Read a message, its images aside. Raises `Malformed` naming the field."""
    told = _decode_envelope(decompressed(payload))
    if (told.site, told.host) != subjects.host_of(subject):
        raise Malformed(f"site and host: {told.site}/{told.host} is not whose subject it is")
    if not is_digest(told.content) or not told.content.startswith("sha256:"):
        raise Malformed("content: not of the form sha256:<64 hex digits>")
    check_interval(told.interval_s)
    envelope = profile.cleaned_profile(told)
    return ReceivedInventory(
        envelope.site,
        envelope.host,
        seq,
        stored_at,
        bytes.fromhex(envelope.content[7:]),
        profile.about_hash(envelope),
        envelope,
    )


def _decode_envelope(payload: bytes) -> InventoryEnvelope:
    if len(payload) <= LARGE:
        return decode(payload, InventoryEnvelope)
    outline: Any = decode(payload, _Outline)
    told = msgspec.structs.asdict(outline)
    for name, kind in _TABLES.items():
        table = bytes(told[name])
        told[name] = codec.decode(table, kind) if table.count(b",") < MOST_ENTRIES else {}
    return InventoryEnvelope(**told)


def newest(received: Iterable[ReceivedInventory]) -> list[ReceivedInventory]:
    """Keep the last message of each host, in the order of their names."""
    last: dict[tuple[str, str], ReceivedInventory] = {}
    for one in received:
        before = last.get((one.site, one.host))
        if before is None or one.seq > before.seq:
            last[one.site, one.host] = one
    return [last[name] for name in sorted(last)]


def decode(payload: bytes, kind: type[Message]) -> Message:
    """Decode a message; one with a text that is no Unicode after that is mended."""
    if len(payload) > MOST_VALUES and payload.count(b",") > MOST_VALUES:
        raise Malformed(f"more than {MOST_VALUES} values: no host has so many images")
    try:
        return codec.decode(payload, kind)
    except Malformed as error:
        if isinstance(error.__cause__, msgspec.ValidationError):  # a wrong type: its text is sound
            raise
        return codec.decode(mended(payload), kind)


def check_interval(interval_s: int) -> None:
    """Refuse an interval that cannot be. Raises `Malformed`."""
    if not 0 < interval_s <= MOST_INTERVAL_S:
        raise Malformed("interval_s: must be a positive number of seconds")
