"""A message as a handler sees it."""

from datetime import datetime
from typing import Any

from msgspec import Struct


class Delivery(Struct, frozen=True):
    """A message as it was delivered."""

    subject: str
    payload: bytes
    stream: str
    stream_seq: int
    deliveries: int
    """How many times it was delivered, this time included."""
    stored_at: datetime


def delivery(message: Any) -> Delivery:
    """Read a message of nats-py."""
    meta = message.metadata
    return Delivery(
        subject=message.subject,
        payload=message.data,
        stream=meta.stream,
        stream_seq=meta.sequence.stream,
        deliveries=meta.num_delivered,
        stored_at=meta.timestamp,
    )
