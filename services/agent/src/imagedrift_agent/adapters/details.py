"""The details of single images and containers: one that cannot be read costs itself alone.

Rules:
- Each object has a small time and few bytes of its own. After a handful that were late, the others
  have less: a store that hangs on many objects does not use up the pass. What is left when all
  details together had their time is told by the lists.
- A sick object is asked for again at the next look, and after each further failure only after twice
  as many looks: so a look at an unchanged host stays cheap.
- A connection that was kept may have been closed meanwhile: aiohttp then makes the call once more.
- An object that is not there any more is not sick.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterable, Sequence
from typing import TypeVar

from msgspec import Struct

from imagedrift_agent.adapters.engine_client import CONNECTIONS, EngineClient
from imagedrift_agent.adapters.engine_faults import (
    EngineFault,
    Late,
    NotConnected,
    NotThere,
    Refused,
)

T = TypeVar("T")
U = TypeVar("U")

DETAIL_WITHIN_S = 4.0
IMPATIENT_AFTER, IMPATIENT_WITHIN_S = 4, 0.4
"""How many may be late in one pass before the others have less time, and how much then."""
ALL_WITHIN_S = 60.0
MAX_DETAIL = 8 * 1024 * 1024
LONGEST_PAUSE = 64
"""Of looks, between two attempts to read a sick object."""


class _Illness(Struct):
    """How often an object could not be read, and how many looks pass it over from now on."""

    failures: int = 0
    pause: int = 0


class Sick:
    """The objects that could not be read when they were asked for last, by key."""

    def __init__(self) -> None:
        self._ill: dict[object, _Illness] = {}

    def __len__(self) -> int:
        return len(self._ill)

    def __contains__(self, key: object) -> bool:
        return key in self._ill

    def begin_look(self, keys: Iterable[object]) -> None:
        """Begin a look at these objects: others are forgotten, pauses are a look shorter."""
        self._ill = {key: self._ill[key] for key in keys if key in self._ill}
        for illness in self._ill.values():
            illness.pause = max(0, illness.pause - 1)

    def is_due(self, key: object) -> bool:
        """Tell whether the object is to be asked for in this look."""
        illness = self._ill.get(key)
        return illness is None or illness.pause == 0

    def failed(self, key: object) -> None:
        """Note that the object could not be read."""
        illness = self._ill.setdefault(key, _Illness())
        illness.failures += 1
        illness.pause = min(2 ** (illness.failures - 1), LONGEST_PAUSE)

    def recovered(self, key: object) -> None:
        """Note that the object was read."""
        self._ill.pop(key, None)


class Details:
    """One look's calls for details, a few at once."""

    def __init__(self, client: EngineClient, answer_within_s: float) -> None:
        self._client = client
        self._answer_within_s = answer_within_s
        self._ends_at = time.monotonic() + ALL_WITHIN_S
        self._late = 0
        self.engine_is_suspect = False
        """A call was not answered at all: that may be the engine, and not the object."""

    async def each(
        self,
        sick: Sick,
        items: Sequence[T],
        keys: Sequence[object],
        call: Callable[[T], Awaitable[None]],
    ) -> None:
        """Make a call for every item that is due. Raises `NotConnected`."""
        sick.begin_look(keys)
        left = iter([pair for pair in zip(keys, items, strict=True) if sick.is_due(pair[0])])

        async def work() -> None:
            for key, item in left:
                await self._try(sick, key, call(item))

        try:
            async with asyncio.TaskGroup() as group:
                for _ in range(min(CONNECTIONS, len(items))):
                    group.create_task(work())
        except ExceptionGroup as faults:
            raise faults.exceptions[0] from None

    async def read(self, path: str, kind: type[U], params: dict[str, str] | None = None) -> U:
        """Fetch the details of one object, in its small time. Raises `EngineFault`."""
        if time.monotonic() > self._ends_at:
            raise Refused(f"GET {path}: not asked: all details took {ALL_WITHIN_S} s")
        return await self._client.read(
            path, kind, params, within_s=self._within_s(), at_most=MAX_DETAIL
        )

    async def _try(self, sick: Sick, key: object, call: Awaitable[None]) -> None:
        try:
            await call
        except NotThere:
            sick.recovered(key)
        except NotConnected:
            raise
        except EngineFault as fault:
            self._late += isinstance(fault, Late)
            self.engine_is_suspect |= not isinstance(fault, Refused)
            sick.failed(key)
        else:
            sick.recovered(key)

    def _within_s(self) -> float:
        small = IMPATIENT_WITHIN_S if self._late >= IMPATIENT_AFTER else DETAIL_WITHIN_S
        return min(small, self._answer_within_s)
