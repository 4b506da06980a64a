"""When to look at the engine again after it said that something changed.

A burst of events is one look: it waits until there was quiet for a moment, but never longer than
a bound after the first event. Images settle fast, as a pull ends with one event. Containers settle
slower, so that one which lives for a second or two is never seen and changes nothing. The two are
waited for apart: a restless container does not put off the look that an image waits for.
"""

from datetime import datetime, timedelta
from typing import Final

from msgspec import Struct
from msgspec.structs import replace

from imagedrift_agent.core.records import Event

IMAGE_QUIET: Final = timedelta(seconds=0.2)
IMAGE_BOUND: Final = timedelta(seconds=0.8)
CONTAINER_QUIET: Final = timedelta(seconds=2)
CONTAINER_BOUND: Final = timedelta(seconds=10)


class Burst(Struct, frozen=True):
    """Events that are waited out: until when, and until when at the latest."""

    due: datetime
    bound: datetime


class Pending(Struct, frozen=True):
    """What is waited for."""

    images: Burst | None = None
    containers: Burst | None = None

    @property
    def due(self) -> datetime | None:
        """When to look; None when nothing happened."""
        return min((b.due for b in (self.images, self.containers) if b), default=None)


def after(pending: Pending, event: Event, now: datetime) -> Pending:
    """Take one more event into account."""
    if event.type == "container":
        burst = _longer(pending.containers, now, CONTAINER_QUIET, CONTAINER_BOUND)
        return replace(pending, containers=burst)
    return replace(pending, images=_longer(pending.images, now, IMAGE_QUIET, IMAGE_BOUND))


def _longer(burst: Burst | None, now: datetime, quiet: timedelta, bound: timedelta) -> Burst:
    latest = burst.bound if burst else now + bound
    return Burst(min(now + quiet, latest), latest)
