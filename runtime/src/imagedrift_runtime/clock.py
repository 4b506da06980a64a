"""Time and chance come in through one port, so that decisions take them as values."""

import asyncio
import random
import time
from datetime import UTC, datetime
from typing import Protocol


def now() -> datetime:
    """Tell the time, in UTC."""
    return datetime.now(UTC)  # noqa: TID251 - the one place


class Clock(Protocol):
    """Time and chance, as a part needs them that also waits."""

    def now(self) -> datetime:
        """Tell the time, in UTC. It may be set back."""

    def monotonic(self) -> float:
        """Tell the seconds since some moment. They only ever grow."""

    async def sleep(self, seconds: float) -> None:
        """Wait."""

    def random(self) -> float:
        """Return a number from 0 up to 1, which is no secret."""


class SystemClock:
    """The machine's own clock."""

    def now(self) -> datetime:
        """Tell the time, in UTC."""
        return now()

    def monotonic(self) -> float:
        """Tell the seconds since the machine started."""
        return time.monotonic()

    async def sleep(self, seconds: float) -> None:
        """Wait."""
        await asyncio.sleep(seconds)

    def random(self) -> float:
        """Return a number from 0 up to 1."""
        return random.random()  # noqa: S311 - no secret
