"""Places for requests that are under way, and the queue for one.

Who waits is served in order, for `WAIT_S` at most. When nothing has moved for `STALLED_S`, all but
`STALLED_WAITERS` are sent away, and whoever comes before something moves, at once: a registry that
does not answer must not fill a lane that others share with questions that only wait.
"""

import asyncio
import time
from collections import deque
from collections.abc import Callable
from typing import Final

WAIT_S: Final = 10.0
STALLED_S: Final = 1.0
STALLED_WAITERS: Final = 8
CONFIRM_S: Final = 0.25


class Places:
    """As many places as `room` says at any moment."""

    def __init__(self, room: Callable[[], int]) -> None:
        self._room = room
        self._taken = 0
        self._waiting: deque[asyncio.Future[bool]] = deque()
        self._moved_at = time.monotonic()
        self._stalled_since = float("-inf")

    @property
    def taken(self) -> int:
        """How many are taken."""
        return self._taken

    async def take(self) -> bool:
        """Wait for a place. False when it takes too long; True must be followed by `give_back`."""
        if self._taken < self._room() and not self._waiting:
            self._taken += 1
            return True
        if self._taken == 0:
            self._moved_at = time.monotonic()
        if self._is_stalled and len(self._waiting) >= STALLED_WAITERS:
            return False
        loop = asyncio.get_running_loop()
        waiter: asyncio.Future[bool] = loop.create_future()
        self._waiting.append(waiter)
        timers = (
            loop.call_later(WAIT_S, _dismiss, waiter),
            loop.call_later(STALLED_S, self._suspect),
        )
        try:
            return await waiter
        except asyncio.CancelledError:
            if waiter.done() and not waiter.cancelled() and waiter.result():
                self.give_back()
            raise
        finally:
            for timer in timers:
                timer.cancel()

    def give_back(self) -> None:
        """Let the next one in."""
        self._taken -= 1
        self._moved_at = time.monotonic()
        while self._waiting and self._taken < self._room():
            self._let_in()

    def let_all_in(self) -> None:
        """Let everybody in who waits: something has happened that each must see for itself."""
        while self._waiting:
            self._let_in()

    @property
    def _is_stalled(self) -> bool:
        return self._stalled_since == self._moved_at

    def _let_in(self) -> None:
        waiter = self._waiting.popleft()
        if not waiter.done():
            self._taken += 1
            waiter.set_result(True)

    def _suspect(self) -> None:
        """Look again in a moment: if it was us who stood still, what has come is read by then."""
        if time.monotonic() - self._moved_at >= STALLED_S:
            asyncio.get_running_loop().call_later(CONFIRM_S, self._thin_out, self._moved_at)

    def _thin_out(self, moved_at: float) -> None:
        if self._moved_at == moved_at:
            self._stalled_since = moved_at
            while len(self._waiting) > STALLED_WAITERS:
                _dismiss(self._waiting.pop())


def _dismiss(waiter: asyncio.Future[bool]) -> None:
    if not waiter.done():
        waiter.set_result(False)
