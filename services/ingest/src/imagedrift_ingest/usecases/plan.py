"""Planning: tags are asked about when they are due, and soon after hosts bring new references.

Rules:
- After news planning waits until no further host brings new references (`core.arrival_wait`). Where
  many hosts do so at once, it waits before it asks, as the order of questions depends on all.
"""

import asyncio
from collections.abc import Awaitable, Callable
from collections.abc import Set as AbstractSet
from typing import Final, Protocol

from imagedrift_ingest.core.arrival_wait import begin_wait, is_fleet
from imagedrift_runtime.clock import Clock
from imagedrift_runtime.waiting import wait_for_any

TURN: Final = "plan"


class Arrivals(Protocol):
    """Which hosts bring new images."""

    @property
    def bringers(self) -> AbstractSet[int]:
        """Return the hosts that brought new images since they were last taken."""

    def take_bringers(self) -> AbstractSet[int]:
        """Return these hosts, and begin anew."""


class Plan:
    """Asks about the tags that are due. `news` is set when there are new references."""

    def __init__(
        self,
        ask: Callable[[], Awaitable[None]],
        arrivals: Arrivals,
        clock: Clock,
        news: asyncio.Event,
        stopping: asyncio.Event,
    ) -> None:
        self._ask = ask
        self._arrivals = arrivals
        self._clock = clock
        self._news = news
        self._stopping = stopping

    async def run(self) -> None:
        """Ask the questions that are due now, and gather new references before that or after it."""
        starts = is_fleet(self._arrivals.bringers)
        if starts:
            await self._gather(frozenset())
        is_news = self._news.is_set()
        self._news.clear()
        brought_by = self._arrivals.take_bringers()
        await self._ask()
        if is_news and not starts:
            await self._gather(brought_by)

    async def _gather(self, before: AbstractSet[int]) -> None:
        """Wait until no further host brings new references; leave `news` set where some came."""
        waiting = begin_wait(self._clock.monotonic(), before | self._arrivals.bringers)
        came = False
        while not self._stopping.is_set():
            left_s = waiting.ends_at - self._clock.monotonic()
            if left_s <= 0:
                break
            self._news.clear()
            await wait_for_any(left_s, self._stopping, self._news)
            if self._news.is_set():
                came = True
                hosts = before | self._arrivals.bringers
                waiting = waiting.joined(self._clock.monotonic(), hosts)
        if came:
            self._news.set()
