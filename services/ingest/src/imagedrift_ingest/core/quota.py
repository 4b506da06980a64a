"""How many new distinct images a host may bring in a day.

Rules:
- An image is new while no host has had it: its row, its question and its answer are made for all.
  It counts for one host only, of those that bring it one that has room.
- What is over is left out of the inventory and the rest of the host is stored, what runs first. The
  host is read again when the day has ended, although it says nothing new.
- Without new images a host costs nothing here, however many it has.
- Candidates for newer versions, and bases, have a quota of their own, of a host that brought such a
  reference and has room. What is over is told as not looked at, and tried on another day.
"""

from collections.abc import Container, Mapping, Sequence
from typing import Final

from msgspec.structs import replace

from imagedrift_ingest.core.identities import ImageKey
from imagedrift_ingest.core.images import HostImage, HostImages

REASON: Final = "over_quota"
MOST_NEW: Final = 25_000
"""The first inventory of a host may have 20,000 images; there is some room for the same day."""
MOST_CANDIDATES: Final = 10_000
"""A host with 60 versions has 180 candidates at most."""


def granted(
    brought: Mapping[int, Sequence[HostImage]], made: Mapping[int, int], most: int
) -> dict[ImageKey, int]:
    """Tell which new images are made, and for which host each of them counts."""
    given: dict[ImageKey, int] = {}
    for host_id in sorted(brought):
        room = most - made.get(host_id, 0)
        for image in sorted(brought[host_id], key=lambda one: one.local.running <= 0):
            if room > 0 and image.key not in given:
                given[image.key] = host_id
                room -= 1
    return given


def granted_candidates(
    wanted: Mapping[str, Sequence[int]], made: Mapping[int, int], most: int
) -> dict[str, int]:
    """Tell which new candidates are made, and for which of the hosts that want it each counts."""
    room = {host_id: most - made.get(host_id, 0) for hosts in wanted.values() for host_id in hosts}
    given: dict[str, int] = {}
    for name, hosts in wanted.items():
        host_id = next((each for each in hosts if room[each] > 0), None)
        if host_id is not None:
            given[name] = host_id
            room[host_id] -= 1
    return given


def stored(read: HostImages, known: Container[ImageKey]) -> HostImages:
    """Return the images of a host that are stored: those that are known, or were made."""
    images = [image for image in read.images if image.key in known]
    over = len(read.images) - len(images)
    if not over:
        return read
    return replace(read, images=images, left_out=read.left_out | {REASON: over})
