"""The streams that ingest reads: when they were made, what is newest in them, what is acknowledged.

Rules:
- A stream that was deleted and made again counts from 1. Without the epoch everything in it would
  look old. The epoch is looked up now and then; until then messages carry the old one. Then their
  order is in doubt, and the stream is asked (`is_newest`).
"""

import asyncio
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Final

from imagedrift_ingest.errors import StreamUnavailable
from imagedrift_runtime import metrics
from imagedrift_runtime.clock import Clock
from imagedrift_runtime.logs import get_logger
from imagedrift_runtime.nats.bus import Bus
from imagedrift_runtime.nats.errors import NoBus
from imagedrift_schemas import subjects

log = get_logger()

DIGESTS: Final = f"KV_{subjects.BUCKET_DIGESTS}"
TAGS: Final = f"KV_{subjects.BUCKET_TAGS}"
REGISTRIES: Final = f"KV_{subjects.BUCKET_REGISTRIES}"
READ_BY_INGEST: Final = (DIGESTS, TAGS, REGISTRIES, subjects.STREAM_DEAD, subjects.STREAM_INVENTORY)
EPOCH_KEPT_S: Final = 10.0
SAME_MOMENT: Final = timedelta(milliseconds=1)
"""nats-py rounds one and the same moment differently where it is read from different places."""
ASKED_AT_ONCE: Final = 64


class SourceStream:
    """One stream that ingest reads. Every method raises `StreamUnavailable`."""

    def __init__(self, bus: Bus, name: str, clock: Clock) -> None:
        self._bus = bus
        self._name = name
        self._clock = clock
        self._epoch = 0
        self._looked_up_at = 0.0
        self._free = asyncio.Semaphore(ASKED_AT_ONCE)
        metrics.went_back.begin(stream=name)

    async def epoch(self) -> int:
        """Tell when the stream was created, in microseconds."""
        at = self._clock.monotonic()
        if self._epoch and at - self._looked_up_at <= EPOCH_KEPT_S:
            return self._epoch
        try:
            created = await self._bus.created(self._name)
        except NoBus as error:
            if self._epoch:
                return self._epoch
            raise StreamUnavailable(str(error)) from error
        self._epoch, self._looked_up_at = int(created.timestamp() * 1_000_000), at
        return self._epoch

    async def is_newest(self, subject: str, seq: int, stored_at: datetime) -> bool:
        """Tell whether a message is the newest one of its subject.

        Asked where a sequence went back, so that the epoch is looked up anew, too.
        """
        self._epoch = 0
        async with self._free:
            try:
                newest = await self._bus.newest(self._name, subject)
            except NoBus as error:
                raise StreamUnavailable(str(error)) from error
        # By the moment, too: a stream that went back gives a sequence to another message.
        if not newest or newest.seq != seq or abs(newest.stored_at - stored_at) > SAME_MOMENT:
            return False
        log.warning("stream.went_back", stream=self._name, subject=subject, seq=seq)
        metrics.went_back.add(stream=self._name)
        return True

    async def acknowledged(self) -> tuple[int, int]:
        """Tell the stream's epoch, and up to which sequence ingest has acknowledged it."""
        epoch = await self.epoch()
        try:
            lag = await self._bus.lag(self._name, subjects.CONSUMER_INGEST)
        except NoBus as error:
            raise StreamUnavailable(str(error)) from error
        return epoch, lag.acknowledged

    async def reread_all(self) -> None:
        """Have this stream and all others delivered from their start."""
        try:
            await reset_consumers(self._bus)
        except NoBus as error:
            raise StreamUnavailable(str(error)) from error


async def reset_consumers(bus: Bus) -> Sequence[str]:
    """Have every stream that ingest reads delivered from its start, and name them."""
    for stream in READ_BY_INGEST:
        await bus.reset_consumer(stream, subjects.CONSUMER_INGEST)
    return READ_BY_INGEST
