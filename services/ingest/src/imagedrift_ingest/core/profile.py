"""A host's profile: it only informs, so that nothing in it refuses the host.

Rules:
- Every text is cleaned and cut, and there is a bound for how many there are.
- A host that says nothing odd costs a look at each text and nothing more.
"""

import hashlib
import heapq
from collections.abc import Mapping
from typing import Final

import msgspec

from imagedrift_schemas.constraints import MOST_REASON, MOST_REASONS
from imagedrift_schemas.text import cleaned
from imagedrift_schemas.v1 import Host, InventoryEnvelope

MOST_NAME: Final = 255
MOST_PLACE: Final = 512
MOST_DEGRADED: Final = 2000
MOST_LABELS: Final = 100
MOST_LABEL_KEY: Final = 255
MOST_LABEL: Final = 1000
MOST_LABELS_IN_ALL: Final = 16_384
MOST_BOOT: Final = 64
MOST_COUNT: Final = 2**31 - 1

_TEXTS: Final = {
    "hostname": MOST_NAME,
    "place": MOST_PLACE,
    "os": MOST_NAME,
    "arch": MOST_NAME,
    "engine": MOST_NAME,
    "engine_version": MOST_NAME,
    "agent_version": MOST_NAME,
    "boot": MOST_BOOT,
    "degraded": MOST_DEGRADED,
}

_encoder = msgspec.json.Encoder(order="deterministic")


def cleaned_profile(envelope: InventoryEnvelope) -> InventoryEnvelope:
    """Return the envelope with texts, labels and counts that can be stored and shown."""
    changed: dict[str, object] = {}
    for name, most in _TEXTS.items():
        told = getattr(envelope, name)
        text = cleaned(told, most)
        if text is not told:
            changed[name] = text
    if envelope.labels and (labels := labels_of(envelope.labels)) != envelope.labels:
        changed["labels"] = labels
    if envelope.skipped and (skipped := skipped_of(envelope.skipped)) != envelope.skipped:
        changed["skipped"] = skipped
    return msgspec.structs.replace(envelope, **changed) if changed else envelope


def labels_of(told: Mapping[str, str]) -> dict[str, str]:
    """Take the first labels by name, as many as there is room for."""
    labels: dict[str, str] = {}
    room = MOST_LABELS_IN_ALL
    # Not sorted as a whole: a million of them would hold up everything else for seconds.
    for key, value in heapq.nsmallest(MOST_LABELS + 1, told.items()):
        name, text = cleaned(key, MOST_LABEL_KEY), cleaned(value, MOST_LABEL)
        room -= len(name) + len(text)
        if room < 0 or len(labels) >= MOST_LABELS:
            break
        if name:
            labels.setdefault(name, text)
    return labels


def boot_of(text: str) -> str:
    """Take an agent's name for its start, as far as it can be shown."""
    return cleaned(text, MOST_BOOT)


def skipped_of(told: Mapping[str, int]) -> dict[str, int]:
    """Take a host's counts of skipped images by reason, as many reasons as there is room for."""
    named = (
        (cleaned(reason, MOST_REASON), count)
        for reason, count in heapq.nsmallest(MOST_REASONS, told.items())
    )
    return {reason: min(max(count, 0), MOST_COUNT) for reason, count in named if reason}


def about_hash(host: Host) -> bytes:
    """Hash a host's facts of itself, in 16 bytes."""
    facts = (host.hostname, host.labels, host.place, host.os, host.arch)
    programs = (host.engine, host.engine_version, host.agent_version)
    told_facts = (facts, programs, host.skipped) if host.skipped else (facts, programs)
    return hashlib.blake2b(_encoder.encode(told_facts), digest_size=16).digest()
