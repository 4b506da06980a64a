"""The common part of all handlers of batches: order, bisection, and messages of doubtful order.

Rules:
- A message is acknowledged when its transaction is committed, never before (P4).
- A batch that the database rejects is halved until the guilty message is alone: that one becomes a
  dead letter, the others are stored (P9).
- A server that is unavailable means "again later" for the whole batch. A database that works for
  too long on a batch gets halves of it; a single message that takes too long waits longer.
- What seems older only because its stream went back is no loss: the stream tells (`core.order`).
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime
from typing import Final, Protocol, TypeAlias, TypeVar

from imagedrift_ingest.core import order
from imagedrift_ingest.errors import DatabaseTooSlow, DataRejected, ServerUnavailable
from imagedrift_runtime.nats.delivery import Delivery
from imagedrift_runtime.nats.outcomes import HandlerOutcome, Reject, Retry
from imagedrift_schemas.errors import SchemaError

T = TypeVar("T")

AGAIN_S: Final = 5.0
SLOW_AGAIN_S: Final = 300.0
WENT_BACK: Final = Retry("its stream went back: it waits until what seems newer is stored", AGAIN_S)

StoreBatch: TypeAlias = Callable[[Sequence[T]], Awaitable[Sequence[HandlerOutcome]]]
"""Stores a batch, and returns the outcome of each message. Raises what `errors` lists."""

SubjectPosition: TypeAlias = tuple[str, int, datetime]
"""The subject and sequence of a message, and when its stream stored it."""


class OrderedStream(Protocol):
    """The stream that the messages are of. Raises `StreamUnavailable`."""

    async def epoch(self) -> int:
        """Tell when it was created: sequences of different streams are not compared."""

    async def is_newest(self, subject: str, seq: int, stored_at: datetime) -> bool:
        """Tell whether a message is its subject's newest one; then the epoch is looked up anew."""


class StoreOnce(Protocol):
    """Stores the messages of a batch that are newer than the stored ones."""

    async def __call__(self, batch: Sequence[Delivery], *, surely_newest: bool) -> set[int]:
        """Store them, and return the sequences of those in doubt, which are not stored.

        `surely_newest`: the stream has none that is newer, so that no doubt is left.
        """


class RefusalLog(Protocol):
    """Remembers refused messages: each is acknowledged, although nothing of it is stored."""

    def note_refused(self, seq: int) -> None:
        """Note the sequence of a refused message."""


async def store_in_order(
    deliveries: Sequence[Delivery], store: StoreBatch[Delivery]
) -> list[HandlerOutcome]:
    """Store messages, but for those that another one of the batch only seems to replace."""
    late = order.put_off(deliveries)
    if not late:
        return await bisect(deliveries, store)
    kept = [delivery for n, delivery in enumerate(deliveries) if n not in late]
    outcomes = iter(await bisect(kept, store))
    return [WENT_BACK if n in late else next(outcomes) for n in range(len(deliveries))]


async def bisect(batch: Sequence[T], store: StoreBatch[T]) -> list[HandlerOutcome]:
    """Store a batch; where it is rejected, each half of it, down to the guilty message."""
    if not batch:
        return []
    try:
        return [*await store(batch)]
    except DatabaseTooSlow as error:
        return await _bisect_slow(batch, store, str(error))
    except ServerUnavailable as error:
        return [Retry(str(error), AGAIN_S)] * len(batch)
    except (DataRejected, SchemaError) as error:
        if len(batch) == 1:
            reason = "malformed" if isinstance(error, SchemaError) else "refused by the database"
            return [Reject(reason, str(error))]
    middle = len(batch) // 2
    return [*await bisect(batch[:middle], store), *await bisect(batch[middle:], store)]


async def _bisect_slow(
    batch: Sequence[T], store: StoreBatch[T], error: str
) -> list[HandlerOutcome]:
    """Store the halves of a batch that took too long."""
    if len(batch) == 1:
        return [Retry(error, SLOW_AGAIN_S)]
    middle = len(batch) // 2
    first = await bisect(batch[:middle], store)
    if all(isinstance(outcome, Retry) for outcome in first):
        # Not the message is slow but the database: the second half is not tried now.
        return [*first, *[Retry(error, AGAIN_S)] * (len(batch) - middle)]
    return [*first, *await bisect(batch[middle:], store)]


async def store_newer(
    stream: OrderedStream, batch: Sequence[Delivery], store_once: StoreOnce
) -> None:
    """Store a batch, and then the messages in doubt that are the newest of their subjects."""
    in_doubt = await store_once(batch, surely_newest=False)
    positions = [(d.subject, d.stream_seq, d.stored_at) for d in batch if d.stream_seq in in_doubt]
    newest = await newest_of(stream, positions)
    if newest:
        await store_once([d for d in batch if d.stream_seq in newest], surely_newest=True)


async def newest_of(stream: OrderedStream, positions: Sequence[SubjectPosition]) -> set[int]:
    """Ask a stream which of these are the newest of their subjects, and return their sequences."""
    told = await asyncio.gather(*(stream.is_newest(*position) for position in positions))
    return {seq for (_, seq, _), is_newest in zip(positions, told, strict=True) if is_newest}


def note_refusals(
    refusals: RefusalLog, deliveries: Sequence[Delivery], outcomes: Sequence[HandlerOutcome]
) -> None:
    """Note which messages of a batch are refused."""
    for delivery, outcome in zip(deliveries, outcomes, strict=True):
        if isinstance(outcome, Reject):
            refusals.note_refused(delivery.stream_seq)
