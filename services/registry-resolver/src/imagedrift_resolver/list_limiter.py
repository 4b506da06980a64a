"""How tags are listed: by requests that give way to every question about a reference.

- A list takes no slot of a lane. For each page it borrows one of its registry's slots, while no
  question waits for one, and gives it back when one does.
- No page is read from the last half of a limit, nor at a pace that other requests need.
- A list is no probe: while a registry is left alone, none is made.
- Its failures are not held against the registry, which may be well and have too many tags. After
  some in a row no lists are made for a while.
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Final

from imagedrift_resolver.admission import Admission, NotAdmitted
from imagedrift_resolver.core.reply import Reply
from imagedrift_resolver.rate_limiter import RegistryLimiter
from imagedrift_resolver.slots import NoSlot
from imagedrift_runtime.clock import Clock
from imagedrift_schemas.v1 import Limited, Unreachable

AGAIN_S: Final = 30.0


class ListLimiter:
    """The limiter of one registry, for lists of tags."""

    def __init__(self, limiter: RegistryLimiter, clock: Clock) -> None:
        self._limiter = limiter
        self._health = limiter.health_of_lists
        self._clock = clock

    @property
    def has_answered(self) -> bool:
        """Tell whether the registry ever answered."""
        return self._limiter.has_answered

    @asynccontextmanager
    async def admit(self, question: str) -> AsyncIterator[Admission]:
        """Let a list be made for the length of an `async with`. Raises `NotAdmitted`."""
        await self._limiter.check("HEAD")
        if self._limiter.health.is_shut:
            raise NotAdmitted(self._put_off("it is found out whether the registry answers again"))
        if refused := self._health.refusal() or self._health.admit(question):
            raise NotAdmitted(refused)
        admission = Admission()
        try:
            yield admission
        finally:
            self._learn_outcome(admission.outcome, question)

    @asynccontextmanager
    async def turn(self, method: str, *, spare: bool = True) -> AsyncIterator[None]:
        """Make one request, once no question waits. Raises `NotAdmitted`, also meanwhile."""
        try:
            async with self._limiter.slots.borrowed():
                refused = self._limiter.limit(method, spare=spare)
                if refused := refused or await self._limiter.pacer.wait_spare_turn():
                    raise NotAdmitted(refused)
                yield
        except NoSlot:
            raise NotAdmitted(self._put_off("other questions wait for the registry")) from None

    async def observe(self, reply: Reply, method: str) -> None:
        """Learn from a response."""
        await self._limiter.observe(reply, method)

    async def observe_limit(self, limit: Limited) -> None:
        """Learn that another host which a list needs asks us to wait."""
        await self._limiter.observe_limit(limit)

    def _learn_outcome(self, outcome: object, question: str) -> None:
        if isinstance(outcome, Unreachable):
            self._health.failed(question, outcome.reason[:200])
        elif outcome is None or isinstance(outcome, Limited):
            self._health.gave_up(question)
        else:
            self._health.succeeded(question, is_good=False)

    def _put_off(self, reason: str) -> Limited:
        return Limited(reason=reason, until=self._clock.now() + timedelta(seconds=AGAIN_S))
