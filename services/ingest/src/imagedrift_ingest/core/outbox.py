"""A changed verdict on its way to NATS, and the identity under which it is published."""

from datetime import datetime

from msgspec import Struct

from imagedrift_schemas.v1 import Changed


class OutboxEntry(Struct, frozen=True):
    """A change that is to be published."""

    change_id: int
    message: Changed

    @property
    def message_id(self) -> str:
        """Return the identity by which the stream keeps one of two equal messages."""
        return message_id(self.change_id, self.message.changed_at)


def message_id(change_id: int, changed_at: datetime) -> str:
    """Make an identity that is never used twice: ids start anew in an emptied database."""
    return f"{change_id}-{changed_at.timestamp():.6f}"
