"""Virtual time: an event loop whose time goes on to the next timer as soon as all of it waits."""

import asyncio
import selectors
from datetime import UTC, datetime, timedelta
from typing import Any

from imagedrift_runtime.clock import SystemClock

NOW = datetime(2026, 11, 24, 6, 0, tzinfo=UTC)
HANGS_AFTER_S = 10.0


class VirtualLoop(asyncio.SelectorEventLoop):
    """An event loop on virtual time. A test that waits for nothing at all fails."""

    def __init__(self) -> None:
        self._seconds = 0.0
        super().__init__(_Selector(self))

    def time(self) -> float:
        """Tell the virtual seconds since the loop was made."""
        return self._seconds

    def advance(self, seconds: float) -> None:
        """Let time pass."""
        self._seconds += seconds


class VirtualClock:
    """The clock of a test on a `VirtualLoop`."""

    def now(self) -> datetime:
        """Tell the time."""
        return NOW + timedelta(seconds=self.monotonic())

    def monotonic(self) -> float:
        """Tell the loop's time."""
        return asyncio.get_running_loop().time()

    async def sleep(self, seconds: float) -> None:
        """Wait."""
        await asyncio.sleep(seconds)

    def random(self) -> float:
        """Return the same number each time."""
        return 0.0


def stand_still(seconds: float) -> None:
    """Let time pass while the running event loop serves nothing, as one that is too busy."""
    loop = asyncio.get_running_loop()
    assert isinstance(loop, VirtualLoop)
    loop.advance(seconds)


class StillClock(SystemClock):
    """The machine's clock, whose monotonic time a test sets."""

    def __init__(self, at: float = 0.0) -> None:
        self.at = at

    def monotonic(self) -> float:
        """Tell the time that was set."""
        return self.at


class FastClock(SystemClock):
    """A clock on which time passes several times as fast, for waits on real sockets."""

    def __init__(self, times: float) -> None:
        self._times = times

    def monotonic(self) -> float:
        """Tell the time."""
        return super().monotonic() * self._times

    async def sleep(self, seconds: float) -> None:
        """Wait."""
        await super().sleep(seconds / self._times)


class PassingClock(StillClock):
    """A clock on which a second passes between two looks at it."""

    def monotonic(self) -> float:
        """Tell the time, and let it pass."""
        self.at += 1.0
        return self.at


class _Selector(selectors.DefaultSelector):
    def __init__(self, loop: VirtualLoop) -> None:
        super().__init__()
        self._loop = loop

    def select(self, timeout: float | None = None) -> Any:
        if timeout is None:
            if ready := super().select(HANGS_AFTER_S):
                return ready
            raise RuntimeError("the test waits for nothing: there is no timer, and no input")
        ready = super().select(0)
        if not ready:
            self._loop.advance(max(timeout, 0.0))
        return ready
