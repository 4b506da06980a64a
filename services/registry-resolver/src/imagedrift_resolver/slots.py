"""Slots for the questions that one registry is asked at a time, and the queue for a slot.

Questions are admitted in order, and wait `WAIT_S` at most. When no slot was released for
`STALLED_S`, all but `STALLED_WAITERS` are sent away, and later ones at once, until one is released:
a registry that does not answer must not fill a shared lane with questions that only wait.

A slot is lent to a list of tags while no question waits. Once one does, the list has to give it
back within `GIVE_BACK_S`.
"""

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Final

from imagedrift_runtime.clock import Clock

WAIT_S: Final = 10.0
STALLED_S: Final = 1.0
STALLED_WAITERS: Final = 8
CONFIRM_S: Final = 0.25
GIVE_BACK_S: Final = 0.5


class NoSlot(Exception):
    """No slot was released in time, or a question waited for one that was lent."""


class Slots:
    """As many slots as `limit` says at any moment."""

    def __init__(self, limit: Callable[[], int], clock: Clock) -> None:
        self._limit = limit
        self._clock = clock
        self._taken = 0
        self._waiting: deque[asyncio.Future[bool]] = deque()
        self._lent: dict[asyncio.Timeout, None] = {}
        self._borrowing: deque[asyncio.Future[bool]] = deque()
        self._released_at = clock.monotonic()
        self._stalled_since = float("-inf")

    @property
    def in_use(self) -> int:
        """How many are in use."""
        return self._taken

    @property
    def lent(self) -> int:
        """How many of those are lent."""
        return len(self._lent)

    @asynccontextmanager
    async def slot(self) -> AsyncIterator[None]:
        """Hold a slot for the length of an `async with`. Raises `NoSlot`."""
        await self.acquire()
        try:
            yield
        finally:
            self.release()

    async def acquire(self) -> None:
        """Wait for a slot, which `release` must give back. Raises `NoSlot`."""
        if self._has_spare:
            self._taken += 1
            return
        if self._taken == 0:
            self._released_at = self._clock.monotonic()
        if self._is_stalled and len(self._waiting) >= STALLED_WAITERS:
            raise NoSlot
        self._demand_back()
        if not await self._wait(self._waiting):
            raise NoSlot

    @asynccontextmanager
    async def borrowed(self) -> AsyncIterator[None]:
        """Hold a slot that no question waits for. Raises `NoSlot`, also when one begins to."""
        if self._has_spare:
            self._taken += 1
        elif not await self._wait(self._borrowing):
            raise NoSlot
        limit = asyncio.timeout(None)
        try:
            async with limit:
                self._lent[limit] = None
                if self._waiting:
                    self._demand_back()
                yield
        except TimeoutError:
            if not limit.expired():
                raise
            raise NoSlot from None
        finally:
            self._lent.pop(limit, None)
            self.release()

    def release(self) -> None:
        """Give a slot back, and admit the next question."""
        self._taken -= 1
        self._released_at = self._clock.monotonic()
        while self._waiting and self._taken < self._limit():
            self._admit_next(self._waiting)
        while self._borrowing and self._has_spare:
            self._admit_next(self._borrowing)

    def admit_all(self) -> None:
        """Admit every question that waits: each must see for itself why none is asked now."""
        while self._waiting:
            self._admit_next(self._waiting)

    @property
    def _has_spare(self) -> bool:
        return self._taken < self._limit() and not self._waiting

    def _demand_back(self) -> None:
        """Let those that borrowed a slot give it back."""
        loop = asyncio.get_running_loop()
        for limit in self._lent:
            if limit.when() is None:
                limit.reschedule(loop.time() + GIVE_BACK_S)

    async def _wait(self, queue: deque[asyncio.Future[bool]]) -> bool:
        loop = asyncio.get_running_loop()
        waiter: asyncio.Future[bool] = loop.create_future()
        queue.append(waiter)
        timers = (
            loop.call_later(WAIT_S, _dismiss, waiter),
            loop.call_later(STALLED_S, self._suspect),
        )
        try:
            return await waiter
        except asyncio.CancelledError:
            if waiter.done() and not waiter.cancelled() and waiter.result():
                self.release()
            raise
        finally:
            for timer in timers:
                timer.cancel()

    @property
    def _is_stalled(self) -> bool:
        return self._stalled_since == self._released_at

    def _admit_next(self, queue: deque[asyncio.Future[bool]]) -> None:
        waiter = queue.popleft()
        if not waiter.done():
            self._taken += 1
            waiter.set_result(True)

    def _suspect(self) -> None:
        """Look again in a moment: if this process stood still, responses are read by then."""
        if self._clock.monotonic() - self._released_at >= STALLED_S:
            loop = asyncio.get_running_loop()
            loop.call_later(CONFIRM_S, self._thin_out, self._released_at)

    def _thin_out(self, released_at: float) -> None:
        if self._released_at == released_at:
            self._stalled_since = released_at
            while len(self._waiting) > STALLED_WAITERS:
                _dismiss(self._waiting.pop())


def _dismiss(waiter: asyncio.Future[bool]) -> None:
    if not waiter.done():
        waiter.set_result(False)
