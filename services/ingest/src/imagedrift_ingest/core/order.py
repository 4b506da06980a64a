"""Which of two messages of one stream and subject is the newer one.

Rules:
- The epoch, the moment when the stream was made, and the sequence within it decide, where the
  moments at which the stream took the messages in say the same.
- Either may lie: sequences where a stream was restored from a backup, or made anew within a moment
  or with a clock behind; moments where the clocks of servers differ. Then the order is in doubt,
  and the stream itself decides: it keeps one message of a subject, and that one is the newest.
- NATS makes a stream anew to restore it. A message that is older than its stream is of a backup, so
  its epoch says nothing: one that was said before is older.
- What stands behind and was said before is older: a backup's messages never replace newer ones.

`fleet.order_of` is the same rule in SQL; a test holds the two together.
"""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Final, Literal, Protocol, TypeAlias

from msgspec import Struct

BEGINNING: Final = datetime(1970, 1, 1, tzinfo=UTC)
MICROSECOND: Final = timedelta(microseconds=1)

Order: TypeAlias = Literal["newer", "older", "doubtful"]


class Message(Protocol):
    """A message as a stream delivers it."""

    @property
    def subject(self) -> str:
        """The subject that it was published on."""

    @property
    def stream_seq(self) -> int:
        """Its place in the stream."""

    @property
    def stored_at(self) -> datetime:
        """When the stream took it in."""


class Position(Struct, frozen=True):
    """Where a message stands, and when it was said."""

    epoch: int
    """When its stream was made, in microseconds since 1970."""
    seq: int
    at: datetime | None
    """None: not known, so that only epoch and sequence count."""


def compare(message: Position, stored: Position) -> Order:
    """Tell how a message stands to the one that is stored."""
    later = earlier = False
    if message.at is not None and stored.at is not None:
        later, earlier = message.at > stored.at, message.at < stored.at
        if earlier and (message.at - BEGINNING) // MICROSECOND < message.epoch:
            return "older"
    if (message.epoch, message.seq) > (stored.epoch, stored.seq):
        return "doubtful" if earlier else "newer"
    return "doubtful" if later or message.epoch < stored.epoch else "older"


def put_off(batch: Sequence[Message]) -> set[int]:
    """Name the indexes of messages that another one of their subject only seems to replace.

    It stands behind them in the stream and was taken in before them: they are of different lives
    of the stream, and are looked at one after the other.
    """
    last: dict[str, Message] = {}
    for message in batch:
        before = last.get(message.subject)
        if before is None or message.stream_seq > before.stream_seq:
            last[message.subject] = message
    if len(last) == len(batch):
        return set()
    return {n for n, m in enumerate(batch) if m.stored_at > last[m.subject].stored_at}
