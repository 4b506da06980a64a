"""The details of single images and containers: one that cannot be read costs itself alone.

Rules:
- Each object has a small time and few bytes of its own. After a handful that were late, the others
  have less: a store that hangs on many objects does not use up the pass. What is left when all
  details together had their time is told by the lists.
- An unreadable object is asked for ever more seldom (`core.unreadable`).
- A connection that was kept may have been closed meanwhile: aiohttp then makes the call once more.
- An object that is not there any more is not unreadable.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from typing import TypeVar

from imagedrift_agent.adapters.engine_client import CONNECTIONS, EngineClient
from imagedrift_agent.adapters.engine_faults import (
    CallRefused,
    EngineFault,
    Late,
    NotConnected,
    ObjectGone,
)
from imagedrift_agent.adapters.engine_limits import EngineLimits
from imagedrift_agent.core.unreadable import UnreadableObjects

T = TypeVar("T")
U = TypeVar("U")

DETAIL_WITHIN_S = 4.0
IMPATIENT_AFTER, IMPATIENT_WITHIN_S = 4, 0.4
"""How many may be late in one pass before the others have less time, and how much then."""
MAX_DETAIL = 8 * 1024 * 1024


class Details:
    """The calls for details of one pass, a few at once."""

    def __init__(self, client: EngineClient, limits: EngineLimits) -> None:
        self._client = client
        self._limits = limits
        self._ends_at = time.monotonic() + limits.details_within_s
        self._late = 0
        self.engine_is_suspect = False
        """A call was not answered at all: that may be the engine, and not the object."""

    async def each(
        self,
        unreadable: UnreadableObjects,
        items: Sequence[T],
        keys: Sequence[object],
        call: Callable[[T], Awaitable[None]],
    ) -> None:
        """Make a call for every item that is due. Raises `NotConnected`."""
        unreadable.begin_pass(keys)
        left = iter([pair for pair in zip(keys, items, strict=True) if unreadable.is_due(pair[0])])

        async def work() -> None:
            for key, item in left:
                await self._try(unreadable, key, call(item))

        try:
            async with asyncio.TaskGroup() as group:
                for _ in range(min(CONNECTIONS, len(items))):
                    group.create_task(work())
        except ExceptionGroup as faults:
            raise faults.exceptions[0] from None

    async def read(self, path: str, kind: type[U], params: dict[str, str] | None = None) -> U:
        """Fetch the details of one object, in its small time. Raises `EngineFault`."""
        if time.monotonic() > self._ends_at:
            seconds = self._limits.details_within_s
            raise CallRefused(f"GET {path}: not asked: all details took {seconds} s")
        return await self._client.read(
            path, kind, params, within_s=self._within_s(), at_most=MAX_DETAIL
        )

    async def _try(self, unreadable: UnreadableObjects, key: object, call: Awaitable[None]) -> None:
        try:
            await call
        except ObjectGone:
            unreadable.recovered(key)
        except NotConnected:
            raise
        except EngineFault as fault:
            self._late += isinstance(fault, Late)
            self.engine_is_suspect |= not isinstance(fault, CallRefused)
            unreadable.failed(key)
        else:
            unreadable.recovered(key)

    def _within_s(self) -> float:
        small = IMPATIENT_WITHIN_S if self._late >= IMPATIENT_AFTER else DETAIL_WITHIN_S
        return min(small, self._limits.answer_within_s)
