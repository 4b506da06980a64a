"""The answers of NATS where all is well: values for each expected result."""

from datetime import datetime

from msgspec import Struct


class Stored(Struct, frozen=True):
    """The stream has the message, at this sequence."""

    seq: int


class AlreadyThere(Struct, frozen=True):
    """The stream holds a message under this subject and refuses another one until that expires."""


class BucketEntry(Struct, frozen=True):
    """A value in a bucket and the revision to name when replacing it."""

    value: bytes
    revision: int


class NewestMessage(Struct, frozen=True):
    """The newest message of a subject: its sequence, and when the stream took it in."""

    seq: int
    stored_at: datetime


class StoredMessage(Struct, frozen=True):
    """A message that a stream holds: its sequence, and when the stream took it in."""

    seq: int
    stored_at: datetime
    payload: bytes


class ConsumerLag(Struct, frozen=True):
    """How far a consumer is behind."""

    pending: int
    """Messages not delivered yet."""
    in_flight: int
    """Messages delivered and not acknowledged yet."""
    paused: bool = False
    acknowledged: int = 0
    """The sequence up to which every message is acknowledged."""
    waiting: int = 0
    """Requests for messages that wait at the server, where all consumers were looked at."""
