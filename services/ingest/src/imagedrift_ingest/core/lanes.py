"""Which lanes work: a question is lost, without a word, in a lane that no resolver reads.

Rules:
- A lane without its consumer takes no questions: they stay due.
- A lane is reported when no resolver asked for its messages in two looks, while questions wait:
  they wait there until they end, as long as no resolver has this lane.
- A lane's questions for lists of tags have a consumer of their own, and are watched for themselves:
  a resolver of before reads none of them.
"""

from collections.abc import Collection, Mapping
from typing import Protocol

from msgspec import Struct

from imagedrift_schemas import subjects


class Lag(Protocol):
    """How far a lane's consumer is behind."""

    @property
    def pending(self) -> int:
        """Return how many messages were not delivered yet."""

    @property
    def in_flight(self) -> int:
        """Return how many were delivered and not acknowledged yet."""

    @property
    def waiting(self) -> int:
        """Return how many requests for messages wait at the server."""

    @property
    def paused(self) -> bool:
        """Tell whether delivery rests."""


class LaneStates(Struct, frozen=True):
    """The state of the lanes at one moment, and of their lists, by the names of both."""

    missing: frozenset[str] = frozenset()
    """Those without a consumer."""
    unread: frozenset[str] = frozenset()
    """Those that no resolver reads now; one between two requests looks like that, too."""
    unread_before: frozenset[str] = frozenset()

    @property
    def deserted(self) -> frozenset[str]:
        """Return the lanes that no resolver has read for two looks."""
        return self.unread & self.unread_before


def lists_of(lane: str) -> str:
    """Name the lists of a lane: no lane has a name with a blank."""
    return f"{lane} (lists)"


def next_states(before: LaneStates, lanes: Collection[str], found: Mapping[str, Lag]) -> LaneStates:
    """Return the states of lanes after a look at the stream's consumers, by their names."""
    lags = {lane: found.get(subjects.lane_consumer(lane)) for lane in lanes}
    lags |= {lists_of(lane): found.get(subjects.list_consumer(lane)) for lane in lanes}
    return LaneStates(
        missing=frozenset(name for name, lag in lags.items() if lag is None),
        unread=frozenset(name for name, lag in lags.items() if lag and _is_unread(lag)),
        unread_before=before.unread,
    )


def _is_unread(lag: Lag) -> bool:
    return lag.pending > 0 and not (lag.in_flight or lag.waiting or lag.paused)
