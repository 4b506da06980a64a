"""When to take a snapshot after the engine's events.

A burst of events is one snapshot: it is taken when there was quiet for a moment, but never later
than a bound after the first event. Images settle fast, as a pull ends with one event. Containers
settle slower, so that one which lives for a second or two is never seen and changes nothing. Each
kind is waited for apart: a restless container does not put off the snapshot of an image.

Moments are in seconds of a clock that is never set.
"""

from typing import Final

from msgspec import Struct
from msgspec.structs import replace

from imagedrift_agent.core.records import Event

IMAGE_QUIET_S: Final = 0.2
IMAGE_BOUND_S: Final = 0.8
CONTAINER_QUIET_S: Final = 2.0
CONTAINER_BOUND_S: Final = 10.0


class Burst(Struct, frozen=True):
    """Events that are waited out: until when, and until when at the latest."""

    due: float
    bound: float


class Pending(Struct, frozen=True):
    """The bursts that are waited out."""

    images: Burst | None = None
    containers: Burst | None = None

    @property
    def due(self) -> float | None:
        """When to take a snapshot; None when nothing happened."""
        return min((b.due for b in (self.images, self.containers) if b), default=None)


def after(pending: Pending, event: Event, now: float) -> Pending:
    """Take one more event into account."""
    if event.type == "container":
        burst = _extended(pending.containers, now, CONTAINER_QUIET_S, CONTAINER_BOUND_S)
        return replace(pending, containers=burst)
    return replace(pending, images=_extended(pending.images, now, IMAGE_QUIET_S, IMAGE_BOUND_S))


def _extended(burst: Burst | None, now: float, quiet_s: float, bound_s: float) -> Burst:
    latest = burst.bound if burst else now + bound_s
    return Burst(min(now + quiet_s, latest), latest)
