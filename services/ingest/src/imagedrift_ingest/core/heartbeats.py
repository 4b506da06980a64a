"""Reads a heartbeat, and joins several of one host.

Rules:
- What decides (the interval, the hash of the images) refuses the message, with the field's name
  (P9). Texts only inform: they are cleaned.
- The newest heartbeat counts. The starts of agents that sent one are kept in turn: two machines may
  report as one host.
"""

from contextlib import suppress
from typing import Final, NamedTuple

from imagedrift_ingest.core import inventories, profile
from imagedrift_schemas.errors import Malformed
from imagedrift_schemas.text import cleaned
from imagedrift_schemas.v1 import Alive

MOST_BOOTS: Final = 8
HASH_BYTES: Final = 32
HASH_LENGTH: Final = len("sha256:") + 2 * HASH_BYTES


class ReceivedHeartbeat(NamedTuple):
    """The report of an unchanged host."""

    content: bytes | None
    """The hash of its images; None when its engine never told any."""
    interval_s: int
    degraded: str
    boots: tuple[str, ...] = ()
    """The starts of agents that sent a heartbeat since one was stored, in turn; bounded."""

    def after(self, before: "ReceivedHeartbeat | None") -> "ReceivedHeartbeat":
        """Return this heartbeat in place of an earlier one of the same host."""
        boots = before.boots if before else ()
        new = self.boots if boots[-1:] != self.boots else ()
        return self._replace(boots=(boots + new)[-MOST_BOOTS:])


def decode(payload: bytes) -> Alive:
    """Decode a heartbeat's message. Raises `Malformed` naming the field."""
    return inventories.decode(payload, Alive)


def heartbeat_of(alive: Alive) -> ReceivedHeartbeat:
    """Take the counting fields of a heartbeat. Raises `Malformed` naming the field."""
    inventories.check_interval(alive.interval_s)
    content = _hash(alive.content) if alive.content else None
    boot = profile.boot_of(alive.boot)
    degraded = cleaned(alive.degraded, profile.MOST_DEGRADED)
    return ReceivedHeartbeat(content, alive.interval_s, degraded, (boot,) if boot else ())


def _hash(content: str) -> bytes:
    """Read the hash of a host's images. Without a pattern: a fleet sends thousands a second."""
    if len(content) == HASH_LENGTH and content.startswith("sha256:"):
        with suppress(ValueError):
            told = bytes.fromhex(content[7:])
            if len(told) == HASH_BYTES:  # `fromhex` reads past white space
                return told
    raise Malformed("content: not of the form sha256:<64 hex digits>")
