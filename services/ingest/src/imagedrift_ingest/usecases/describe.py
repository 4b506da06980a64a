"""Describing: digests are asked about whose content tells whether images are outdated.

Rules:
- New images lead to a look at once. After each it rests, for as long as it took and a tenth of a
  second at least: a fleet that starts brings news without end.
"""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Final

from imagedrift_runtime.clock import Clock
from imagedrift_runtime.waiting import wait

TURN: Final = "describe"
RESTS_S: Final = 0.1
"""At least."""


class DescribeDigests:
    """Asks about the digests that are due. `news` is set when there are new images."""

    def __init__(
        self,
        ask: Callable[[], Awaitable[None]],
        clock: Clock,
        news: asyncio.Event,
        stopping: asyncio.Event,
    ) -> None:
        self._ask = ask
        self._clock = clock
        self._news = news
        self._stopping = stopping

    async def run(self) -> None:
        """Ask about the digests that are due now, and rest."""
        self._news.clear()
        began = self._clock.monotonic()
        await self._ask()
        await wait(self._stopping, max(RESTS_S, self._clock.monotonic() - began))
