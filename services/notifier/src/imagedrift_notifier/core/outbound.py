"""A message on its way, and how a route stands."""

from datetime import datetime, timedelta
from typing import Any

from msgspec import Struct

from imagedrift_notifier.core.content import MessageContent
from imagedrift_notifier.core.route import Channel


class OutboundMessage(Struct, frozen=True, kw_only=True):
    """A message that is being sent: each try sends the same."""

    message_id: str
    route: str
    channel: Channel
    created_at: datetime
    title: str
    body: str
    payload: dict[str, Any]
    attempts: int
    """Tries, this one included."""
    age: timedelta
    """Since it was written, by the database's clock."""

    @property
    def content(self) -> MessageContent:
        """Return the body that is sent."""
        return MessageContent(self.title, self.body, self.payload)


class RouteState(Struct, frozen=True):
    """The state of a route in the database."""

    since: datetime
    is_begun: bool
    """Whether all that was due before it was made is claimed."""
    now: datetime
    """The time by the database, whose clock counts for all that is written there."""
    is_restored: bool = False
    """Whether it began anew after a restore of the database, which has forgotten its messages."""

    def known_until(self, *, backlog: bool) -> datetime | None:
        """Return the moment before which unclaimed due images are not told."""
        is_told = backlog and not self.is_restored
        return None if self.is_begun or is_told else self.since


class RemovedRoute(Struct, frozen=True):
    """A route that is in no file any more, and how much waited on it in vain."""

    route: str
    messages: int
    topics: int


class StartedOver(Struct, frozen=True):
    """How much is not told as the database was restored."""

    messages: int
    topics: int


class RouteCounts(Struct, frozen=True):
    """How much waits on a route."""

    route: str
    waiting: int
    failing: int
    gathering: int
