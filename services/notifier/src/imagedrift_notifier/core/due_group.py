"""Something due: an image and what it should become, on all hosts that count for a route."""

from datetime import datetime
from typing import Final

from msgspec import Struct

from imagedrift_notifier.core.route import TopicKind

MOST_NAMED: Final = 10
"""Places and versions that a message names; of more, only the number is told."""


class Topic(Struct, frozen=True):
    """The identity of a message: a route tells each once."""

    kind: TopicKind
    reference: str
    target: str
    """The remote digest, or the newer version; of a registry that fails, how it does."""


class Candidate(Struct, frozen=True):
    """An image that may be due, and the routes that have not claimed all of it."""

    reference: str
    routes: frozenset[str]


class DueTopic(Struct, frozen=True):
    """A topic that is due on some host, and since when."""

    topic: Topic
    due_at: datetime | None


class DueGroup(Struct, frozen=True, kw_only=True):
    """One topic, with the hosts that it is about."""

    topic: Topic
    hosts: int
    running_hosts: int = 0
    places: tuple[str, ...] = ()
    """Where they are: the first of them, places where hosts have one, else sites."""
    place_count: int = 0
    from_versions: tuple[str, ...] = ()
    """The versions that hosts have; where these are unknown, digests."""
    to_version: str = ""
    since: datetime | None = None
    due_at: datetime | None = None
    detail: str = ""

    @property
    def due(self) -> DueTopic:
        """Return the topic and time that a route claims."""
        return DueTopic(self.topic, self.due_at)
