"""Compressed inventories: each may grow to many times what a batch is bounded by.

Rules:
- A process has one of them in memory at a time, from its bytes to its commit.
- Of one host in a batch the newest is read, and an older one only where that one is refused.
- A host that was worked on waits before its next one is read (`core.pacing`): what it sends
  meanwhile costs no more than its delivery.
- A batch spends a bounded time on them, waiting included: other hosts wait for that batch. What
  is not begun by then comes again.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Final

from imagedrift_ingest.core.pacing import Pacing
from imagedrift_runtime.clock import Clock
from imagedrift_runtime.nats.delivery import Delivery
from imagedrift_runtime.nats.outcomes import Done, HandlerOutcome, Reject, Retry
from imagedrift_schemas import subjects
from imagedrift_schemas.errors import SchemaError

AT_ONCE_S: Final = 0.5
AGAIN_S: Final = 1.0
HOST_WAITS: Final = "large inventories of one host wait for each other"
ALL_WAIT: Final = "compressed inventories wait for each other"


class CompressedInventories:
    """Takes compressed inventories one at a time. `store` reads and stores one of them."""

    def __init__(
        self, store: Callable[[Delivery], Awaitable[HandlerOutcome]], pacing: Pacing, clock: Clock
    ) -> None:
        self._store = store
        self._pacing = pacing
        self._clock = clock
        self._one = asyncio.Lock()

    async def handle(self, deliveries: Sequence[Delivery]) -> list[HandlerOutcome]:
        """Store the newest of each host."""
        until = self._clock.monotonic() + AT_ONCE_S
        stored: set[str] = set()
        outcomes: dict[int, HandlerOutcome] = {}
        for n in sorted(range(len(deliveries)), key=lambda n: -deliveries[n].stream_seq):
            each = deliveries[n]
            is_older = each.subject in stored
            outcomes[n] = Done() if is_older else await self._store_in_turn(each, until)
            if isinstance(outcomes[n], Done):
                stored.add(each.subject)
        return [outcomes[n] for n in range(len(deliveries))]

    async def _store_in_turn(self, delivery: Delivery, until: float) -> HandlerOutcome:
        """Store an inventory, unless its host has to wait, or others take too long."""
        try:
            host = subjects.host_of(delivery.subject)
        except SchemaError as error:
            return Reject("malformed", str(error))
        if wait_s := self._pacing.wait_s(host, self._clock.monotonic()):
            return Retry(HOST_WAITS, wait_s)
        if not await _acquired(self._one, until - self._clock.monotonic()):
            return Retry(ALL_WAIT, AGAIN_S)
        try:
            with self._pacing.work_on(host, self._clock.monotonic):
                return await self._store(delivery)
        finally:
            self._one.release()


async def _acquired(lock: asyncio.Lock, within_s: float) -> bool:
    """Tell whether a lock could be acquired in time."""
    if within_s <= 0:
        return False
    try:
        async with asyncio.timeout(within_s):
            await lock.acquire()
    except TimeoutError:
        return False
    return True
