"""A bulkhead in a shared lane: registries that do not answer hold few of its slots (P6).

Anybody who can name an image can name a hundred registries that hang, or whose names do not
resolve. Each question to one holds a slot of the lane until its time is over. So:

- A registry answers if it has answered well before, did respond the last time, and has not been
  silent for `SILENT_S` while something is asked of it. Its questions always pass.
- Each other registry holds one slot, and all of them together one in `SHARE`. A question that finds
  no slot waits for `SILENT_S` at most, and not at all once none of them has ended for so long.
- A question also waits while the running question of its own registry is younger than `SILENT_S`:
  other registries that hang say nothing about this one. Twice the share may wait so.
- When registries fall silent while many of their questions are running, the newest questions are
  given up until they hold no more than twice that share.

A question that is put off made no request, so it comes again soon: after as long as it is silent
here already, between `SOON_S` and `WAIT_S`. Each replica counts for itself, so the share is small.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Final, Protocol, TypeVar

from msgspec import Struct

from imagedrift_resolver.places import WAIT_S

SHARE: Final = 8
SILENT_S: Final = 1.0
SOON_S: Final = 2.0

T = TypeVar("T")


class PutOff(Struct, frozen=True):
    """A question got no slot, or had to give it up."""

    wait_s: float
    """After how long it may come again."""


class Peer(Protocol):
    """A registry."""

    def is_answering(self) -> bool:
        """Tell whether it has answered well, and goes on answering."""


class Bulkhead:
    """The questions of one lane that are worked on here."""

    def __init__(self, slots: int) -> None:
        self._most = max(1, slots // SHARE)
        self._inside: dict[_Question, None] = {}
        self._waiting: dict[_Question, asyncio.Future[None]] = {}
        self._moved_at = float("-inf")
        self._look_again: asyncio.TimerHandle | None = None

    async def run(self, peer: Peer, work: Callable[[], Awaitable[T]]) -> T | PutOff:
        """Do what is to be done with a registry, if it gets a slot and need not give it up."""
        question = _Question(peer)
        try:
            if not await self._enter(question):
                return PutOff(min(max(self._silence_s(question), SOON_S), WAIT_S))
            question.may_be_given_up = True
            async with question.limit:
                return await work()
        except TimeoutError:
            if not question.limit.expired():
                raise
            return PutOff(WAIT_S)
        finally:
            self._leave(question)

    async def _enter(self, question: "_Question") -> bool:
        """Wait for a slot; False when there is none in time."""
        if self._has_room(question.peer):
            self._admit(question)
            return True
        admitted: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting[question] = admitted
        waits_until = self._first_deadline()
        try:
            while not admitted.done():
                now = time.monotonic()
                until = max(waits_until, self._own_deadline(question))
                if now >= until:
                    return False
                await asyncio.wait([admitted], timeout=until - now)
            return True
        finally:
            del self._waiting[question]

    def _first_deadline(self) -> float:
        """Return until when a new question waits, whatever its registry."""
        now = time.monotonic()
        return now + SILENT_S if now - self._moved_at < SILENT_S else now

    def _own_deadline(self, question: "_Question") -> float:
        """Return until when a question waits for the running question of its own registry."""
        running = self._running(question.peer)
        if running is None or question not in [*self._waiting][: 2 * self._most]:
            return float("-inf")
        return running.began_at + SILENT_S

    def _silence_s(self, question: "_Question") -> float:
        """Return for how long the registry is silent, or all of them where it has no slot."""
        running = self._running(question.peer)
        return time.monotonic() - (running.began_at if running else self._moved_at)

    def _running(self, peer: Peer) -> "_Question | None":
        return next((each for each in self._inside if each.peer is peer), None)

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
        for waiting, admitted in [*self._waiting.items()]:
            if not admitted.done() and self._has_room(waiting.peer):
                self._admit(waiting)
                admitted.set_result(None)

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
