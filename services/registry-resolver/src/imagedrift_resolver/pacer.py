"""The pace of requests to one registry: each request has its turn, which the shared state promises.

Turns are promised to one replica for `BATCH_S` at a time, so that a fast pace costs few writes.
"""

import asyncio
from collections import deque
from datetime import datetime, timedelta
from typing import Final

from imagedrift_resolver.core import budget
from imagedrift_resolver.core.backoff import later
from imagedrift_resolver.shared_state import SharedState
from imagedrift_runtime.clock import Clock
from imagedrift_schemas.v1 import Limited, RegistryState

BATCH_S: Final = 0.2
LONGEST_WAIT_S: Final = 10.0


class Pace:
    """Until when requests to one registry are promised, whichever credential they show."""

    def __init__(self, credentials: tuple[str, ...]) -> None:
        self.lock = asyncio.Lock()
        self.credentials = credentials
        """Those that other replicas may use there."""
        self.until: datetime | None = None


class Pacer:
    """Gives the requests of one registry and credential their turns."""

    def __init__(
        self, shared: SharedState, pace: Pace, configured: float | None, clock: Clock
    ) -> None:
        self._shared = shared
        self._pace = pace
        self._configured = configured
        self._clock = clock
        self._promised: deque[datetime] = deque()
        self._sent: deque[float] = deque(maxlen=64)

    async def wait_turn(self) -> Limited | None:
        """Wait for the next turn. Returns why the request must not be made: it is too far off."""
        rate = budget.pace(self._shared.value, self._configured, self._clock.now())
        if rate is not None:
            turn = await self._next_turn(rate)
            wait_s = (turn - self._clock.now()).total_seconds()
            if wait_s > LONGEST_WAIT_S:
                return Limited(reason=f"our {rate:.2g} requests a second are in use", until=turn)
            if wait_s > 0:
                await self._clock.sleep(wait_s)
        self._sent.append(self._clock.monotonic())
        return None

    async def wait_spare_turn(self) -> Limited | None:
        """Wait for a turn that no other request has been promised before."""
        give_up_at = self._clock.now() + timedelta(seconds=LONGEST_WAIT_S)
        while (until := self._shared.value.paced_until) and until > self._clock.now():
            if until > give_up_at:
                return Limited(reason="other requests use the pace of this registry", until=until)
            await self._clock.sleep((until - self._clock.now()).total_seconds())
        return await self.wait_turn()

    def recent_rate(self) -> float:
        """Return how many requests a second were made lately."""
        if len(self._sent) < 2:
            return 1.0
        return len(self._sent) / max(self._sent[-1] - self._sent[0], 1.0)

    async def _next_turn(self, rate: float) -> datetime:
        async with self._shared.lock:
            until = self._shared.value.paced_until
            if until and (until - self._clock.now()).total_seconds() > LONGEST_WAIT_S:
                return until  # a turn that no request would wait for is not taken
            if not self._promised:
                self._promised.extend(await self._more_turns(rate))
            return self._promised.popleft()

    async def _more_turns(self, rate: float) -> list[datetime]:
        count = max(1, int(rate * BATCH_S))
        first = self._clock.now()

        def reserve(shared: RegistryState) -> RegistryState:
            nonlocal first
            joined = budget.paced(self._shared.joined(shared), self._pace.until)
            first, reserved = budget.reserve(joined, rate, count, self._clock.now())
            return reserved

        async with self._pace.lock:
            await self._read_other_credentials()
            await self._shared.change(reserve)
            self._pace.until = self._shared.value.paced_until
        return [first + i * timedelta(seconds=1 / rate) for i in range(count)]

    async def _read_other_credentials(self) -> None:
        for name in self._pace.credentials:
            if name != self._shared.value.credential:
                other = await self._shared.read_other(name)
                self._pace.until = later(self._pace.until, other.paced_until if other else None)
