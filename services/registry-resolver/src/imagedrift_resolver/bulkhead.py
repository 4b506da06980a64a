"""A bulkhead in a shared lane: registries that do not answer hold few of its slots (P6).

Anybody who can name an image can name a hundred registries that hang, or whose names do not
resolve. Each question to one holds a slot of the lane until its time is over. So:

- A registry answers if it has answered well before, did respond the last time, and has not been
  silent for `SILENT_S` while something is asked of it. Its questions always pass.
- Each other registry holds one slot, and all of them together one in `SHARE`. Who finds none waits
  for `SILENT_S` at most, and not at all once none of them has come to an end for so long.
- Of those that fall silent while many of their questions are under way, the newest are given up
  until they hold no more than twice that share.

Who is sent away is asked again in its time. Each replica counts for itself, so the share is small.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Final, Protocol, TypeVar

SHARE: Final = 8
SILENT_S: Final = 1.0

T = TypeVar("T")


class Peer(Protocol):
    """A registry."""

    def is_answering(self) -> bool:
        """Tell whether it has answered well, and goes on answering."""


class Bulkhead:
    """The questions of one lane that are worked on here."""

    def __init__(self, slots: int) -> None:
        self._most = max(1, slots // SHARE)
        self._inside: dict[_Question, None] = {}
        self._waiting: dict[_Question, asyncio.Future[bool]] = {}
        self._moved_at = float("-inf")
        self._look_again: asyncio.TimerHandle | None = None

    async def run(self, peer: Peer, work: Callable[[], Awaitable[T]]) -> T | None:
        """Do what is to be done with a registry; None when it got no slot, or had to give it up."""
        question = _Question(peer)
        try:
            if not await self._enter(question):
                return None
            question.may_be_given_up = True
            async with question.limit:
                return await work()
        except TimeoutError:
            if not question.limit.expired():
                raise
            return None
        finally:
            self._leave(question)

    async def _enter(self, question: "_Question") -> bool:
        if self._has_room(question.peer):
            self._admit(question)
            return True
        if time.monotonic() - self._moved_at >= SILENT_S:
            return False
        loop = asyncio.get_running_loop()
        may: asyncio.Future[bool] = loop.create_future()
        self._waiting[question] = may
        timer = loop.call_later(SILENT_S, _settle, may, False)
        try:
            return await may
        finally:
            timer.cancel()
            self._waiting.pop(question, None)

    def _has_room(self, peer: Peer) -> bool:
        if peer.is_answering():
            return True
        holding = [each.peer for each in self._silent()]
        return len(holding) < self._most and peer not in holding

    def _silent(self) -> list["_Question"]:
        return [each for each in self._inside if not each.peer.is_answering()]

    def _admit(self, question: "_Question") -> None:
        if not self._silent():
            self._moved_at = time.monotonic()
        question.began_at = time.monotonic()
        self._inside[question] = None
        if self._look_again is None:
            self._look_again = asyncio.get_running_loop().call_later(SILENT_S / 2, self._look)

    def _leave(self, question: "_Question") -> None:
        if question not in self._inside:
            return
        del self._inside[question]
        if time.monotonic() - question.began_at < SILENT_S:
            self._moved_at = time.monotonic()
        for waiting, may in [*self._waiting.items()]:
            if not may.done() and self._has_room(waiting.peer):
                self._admit(waiting)
                may.set_result(True)

    def _look(self) -> None:
        """Give up the newest questions of registries that have fallen silent meanwhile."""
        self._look_again = None
        for question in self._silent()[2 * self._most :]:
            if not question.may_be_given_up:
                continue
            question.may_be_given_up = False
            question.limit.reschedule(asyncio.get_running_loop().time())
        if self._inside:
            self._look_again = asyncio.get_running_loop().call_later(SILENT_S / 2, self._look)


class _Question:
    def __init__(self, peer: Peer) -> None:
        self.peer = peer
        self.limit = asyncio.timeout(None)
        self.began_at = 0.0
        self.may_be_given_up = False


def _settle(may: "asyncio.Future[bool]", answer: bool) -> None:
    if not may.done():
        may.set_result(answer)
