"""Reading a stream from a moment on, without a consumer, which would be left behind.

Rules:
- Each message is read by its sequence, from the leader. So none is lost while NATS is away, and
  none comes twice.
- Sequences that are gone, as the stream dropped its oldest messages meanwhile, are counted.
- A stream that was made anew is read from its beginning.
"""

from datetime import datetime

from imagedrift_runtime.nats.bus import Bus
from imagedrift_runtime.nats.results import StoredMessage


class StreamReader:
    """Reads the messages of a stream whose subjects are all those of `subject`."""

    def __init__(self, bus: Bus, stream: str, subject: str) -> None:
        self._bus = bus
        self._stream = stream
        self._subject = subject
        self._next = 1
        self.dropped = 0
        """Messages that the stream dropped before they were read."""

    async def start(self, since: datetime | None = None) -> StoredMessage | None:
        """Begin with the messages from a moment on, or with those to come. Raises `NoBus`.

        Returns the oldest message that is kept: what came before it nobody can tell.
        """
        last = await self._bus.last_seq(self._stream)
        oldest = await self._read(1)
        self._next = last + 1
        if since is not None and oldest is not None:
            self._next = await self._first_since(since, oldest.seq, last + 1)
        return oldest

    async def read(self) -> StoredMessage | None:
        """Read the next message; None while there is none. Raises `NoBus`."""
        message = await self._read(self._next)
        if message is None and await self._bus.last_seq(self._stream) < self._next - 1:
            self._next = 1
            message = await self._read(1)
        if message is not None:
            self.dropped += message.seq - self._next
            self._next = message.seq + 1
        return message

    async def _first_since(self, moment: datetime, low: int, high: int) -> int:
        """Search the first sequence that was stored at the moment or later, by bisection."""
        while low < high:
            middle = (low + high) // 2
            message = await self._read(middle)
            if message is None or message.stored_at >= moment:
                high = middle
            else:
                low = message.seq + 1
        return low

    async def _read(self, seq: int) -> StoredMessage | None:
        return await self._bus.message_from(self._stream, self._subject, seq)
