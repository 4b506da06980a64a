"""The bytes of an inventory, as large as NATS lets them be.

Rules:
- Plain JSON where that fits, as every ingest reads it; else compressed.
- What does not fit even so, or is more than ingest stores, is left out: images without a running
  container first. It is counted in `skipped`, and `content` is of what is said.
"""

from typing import Final

from msgspec.structs import replace

from imagedrift_schemas.codec import content_hash, encode
from imagedrift_schemas.compression import compressed, is_allowed
from imagedrift_schemas.constraints import MOST_IMAGES
from imagedrift_schemas.v1 import Inventory

OVER_LIMIT: Final = "over_limit"
TOO_LARGE: Final = "too_large"


def fitting(inventory: Inventory, most_bytes: int) -> tuple[Inventory, bytes]:
    """Return the part of an inventory that fits, and the message, of at most so many bytes."""
    inventory = _first(inventory, MOST_IMAGES, OVER_LIMIT)
    count = len(inventory.images)
    while True:
        chosen = _first(inventory, count, TOO_LARGE)
        plain = encode(chosen)
        if len(plain) <= most_bytes or not count:
            return chosen, plain
        small = compressed(plain)
        if len(small) <= most_bytes and is_allowed(plain, small):
            return chosen, small
        count = int(count * min(0.97 * most_bytes / len(small), 0.9))


def _first(inventory: Inventory, count: int, reason: str) -> Inventory:
    """Return an inventory with so many of its images, those that run first."""
    over = len(inventory.images) - count
    if over <= 0:
        return inventory
    images = tuple(sorted(inventory.images, key=lambda image: image.running <= 0)[:count])
    skipped = inventory.skipped | {reason: over}
    return replace(inventory, images=images, content=content_hash(images), skipped=skipped)
