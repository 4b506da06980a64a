"""A bulkhead in a shared lane: registries that do not answer hold few of its slots (P6).

Anybody who can name an image can name a hundred registries that hang, or whose names do not
resolve. Each question to one holds a slot of the lane until its time is over. So:

- A registry answers if it has answered well before, did respond the last time, and has not been
  silent for `SILENT_S` while something is asked of it. Its questions always pass. Silence counts
  only while this process serves its sockets (`core.served_time`).
- Each other registry runs one question, and all of them together one in `SHARE` of the slots.
- As many wait in line: for a slot, for `WAITS_S` at most and in the order of `lane_share`, or
  for the answer to the running question of their own registry, until that has run for `SILENT_S`.
  More of them wait only while `Patience` lasts, which a burst of a new registry's first questions
  needs. All others are put off at once.
- A question that runs for `SILENT_S` gives its slot to one that waits for it, the newest first.
  The older half of them may run on: there are registries that are slow and nothing worse.
- When registries fall silent while many of their questions are running, the newest questions are
  given up until they hold no more than the share.

A question that is put off comes again soon, later after each try that stayed silent. Each replica
counts for itself, so the share is small.
"""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final

from imagedrift_resolver.core.bounded_map import Bound, BoundedMap
from imagedrift_resolver.core.lane_share import Past, Patience, Rank, put_off_for, rank
from imagedrift_resolver.core.served_time import TICK_S, ServedTime
from imagedrift_resolver.lane_question import LaneQuestion, Peer
from imagedrift_runtime.clock import Clock

SHARE: Final = 4
FEWEST: Final = 2
SILENT_S: Final = 1.0
WAITS_S: Final = 2.0
SOON_S: Final = 2.0
LONGEST_S: Final = 10.0
"""After which a question that was put off comes again: at the least, and at the most."""
SOME_S: Final = 0.001
REMEMBERED: Final = Bound(4096, 1024 * 1024)
PAST_BYTES: Final = 250


class LaneCrowded(Exception):
    """A question got no slot of its lane, or had to give it up; it may come again in `wait_s`."""

    def __init__(self, wait_s: float) -> None:
        super().__init__(f"comes again in {wait_s:g} s")
        self.wait_s = wait_s


class Bulkhead:
    """The questions of one lane that are asked here."""

    def __init__(self, slots: int, clock: Clock) -> None:
        self._clock = clock
        self._most = max(FEWEST, slots // SHARE)
        self._inside: dict[LaneQuestion, None] = {}
        self._waiting: dict[LaneQuestion, None] = {}
        self._past: BoundedMap[str, Past] = BoundedMap(REMEMBERED)
        self._patience = Patience(SILENT_S, SILENT_S)
        self._thinning: asyncio.TimerHandle | None = None
        self._look_again: asyncio.TimerHandle | None = None
        self._served = ServedTime()

    @asynccontextmanager
    async def slot(self, peer: Peer, *, hosts: int) -> AsyncIterator[None]:
        """Hold a slot for a question of so many hosts, for the length of an `async with`.

        Raises `LaneCrowded`, also when the slot has to be given up in between.
        """
        question = LaneQuestion(peer, hosts)
        try:
            if not await self._enter(question):
                raise self._put_off(question, tries=0)
            question.may_be_given_up = True
            async with question.limit:
                yield
        except TimeoutError:
            if not question.limit.expired():
                raise
            raise self._put_off(question, tries=1) from None
        finally:
            self._leave(question)

    def served_s(self) -> float:
        """Return for how many seconds sockets were served while a question was asked."""
        if self._look_again is None:
            return self._served.counted_s
        return self._served.at(self._clock.monotonic())

    def _put_off(self, question: LaneQuestion, tries: int) -> LaneCrowded:
        """Remember that a question was put off, after so many tries, and say for how long."""
        past = self._past_of(question)
        now, running = self._clock.monotonic(), self._running(question.peer)
        tries += past.tries
        name = question.peer.registry
        self._past.put(name, Past(tries, now), PAST_BYTES + len(name))
        silent_s = self.served_s() - running.began_at if running else 0.0
        return LaneCrowded(put_off_for(silent_s, tries, SOON_S, LONGEST_S))

    def _past_of(self, question: LaneQuestion) -> Past:
        return self._past.get(question.peer.registry) or Past()

    async def _enter(self, question: LaneQuestion) -> bool:
        """Wait for a slot; False when there is none in time."""
        if self._has_room(question.peer):
            self._admit(question)
            return True
        left_s = self._own_left_s(question.peer)
        if left_s is not None and left_s <= 0:
            return False
        self._waiting[question] = None
        question.ends_waiting(WAITS_S if left_s is None else left_s, self._end_waiting)
        try:
            self._thin_out()
            return await question.admitted
        finally:
            question.stops_waiting()
            del self._waiting[question]
            self._thin_out()

    def _own_left_s(self, peer: Peer) -> float | None:
        """Return for how long the running question of a registry is waited for, if there is one."""
        running = self._running(peer)
        return running.began_at + SILENT_S - self.served_s() if running else None

    def _end_waiting(self, question: LaneQuestion) -> None:
        """Put a question off, unless its registry was asked a moment ago."""
        left_s = self._own_left_s(question.peer) or 0.0
        if left_s > SOME_S:
            question.ends_waiting(left_s, self._end_waiting)
        else:
            question.admit(is_admitted=False)

    def _thin_out(self) -> None:
        """Put off the questions beyond the line, once patience is at its end."""
        if self._thinning:
            self._thinning.cancel()
            self._thinning = None
        spare = self._in_line()[self._most :]
        self._patience = self._patience.then(self._clock.monotonic(), is_spent=bool(spare))
        if spare and self._patience.left_s > SOME_S:
            loop = asyncio.get_running_loop()
            self._thinning = loop.call_later(self._patience.left_s, self._thin_out)
            return
        for question in spare:
            question.admit(is_admitted=False)

    def _in_line(self) -> list[LaneQuestion]:
        """Return the waiting questions, the next one first."""
        now, counts = self._clock.monotonic(), Counter(each.peer for each in self._inside)
        ranks: list[tuple[Rank, int, LaneQuestion]] = []
        for question in self._waiting:
            if not question.admitted.done():
                nth = counts[question.peer]
                counts[question.peer] += 1
                own = rank(nth, question.hosts, self._past_of(question), now)
                ranks.append((own, len(ranks), question))
        return [question for _, _, question in sorted(ranks, key=lambda each: each[:2])]

    def _running(self, peer: Peer) -> LaneQuestion | None:
        return next((each for each in self._inside if each.peer is peer), None)

    def _has_room(self, peer: Peer) -> bool:
        if peer.is_answering():
            return True
        return self._fits(peer, [each.peer for each in self._silent()])

    def _fits(self, peer: Peer, holding: list[Peer]) -> bool:
        """Tell whether a registry that does not answer gets a slot beside those that hold one."""
        return len(holding) < self._most and peer not in holding

    def _silent(self) -> list[LaneQuestion]:
        return [each for each in self._inside if not each.peer.is_answering()]

    def _admit(self, question: LaneQuestion) -> None:
        if self._look_again is None:
            self._served = ServedTime(self._served.counted_s, self._clock.monotonic())
            self._plan_look()
        question.began_at = self.served_s()
        self._inside[question] = None

    def _leave(self, question: LaneQuestion) -> None:
        if question not in self._inside:
            return
        del self._inside[question]
        if len(self._past) and question.peer.is_answering():
            self._past.pop(question.peer.registry)
        if self._waiting:
            self._let_in()

    def _let_in(self) -> None:
        holding = [each.peer for each in self._silent()]
        for question in self._in_line():
            is_answering = question.peer.is_answering()
            if is_answering or self._fits(question.peer, holding):
                self._admit(question)
                question.admit(is_admitted=True)
                if not is_answering:
                    holding.append(question.peer)

    def _plan_look(self) -> None:
        loop = asyncio.get_running_loop()
        self._look_again = loop.call_later(TICK_S, self._look)

    def _look(self) -> None:
        """Give up questions whose slots others need, and all beyond the share."""
        self._served = self._served.ticked(self._clock.monotonic())
        self._look_again = None
        silent = self._silent()
        for question in silent[self._most :]:
            question.give_up()
        peers = {each.peer for each in silent}
        need = len({each.peer for each in self._waiting} - peers)
        began_before = self.served_s() - SILENT_S
        if need:
            for question in silent[max(self._most // 2, self._most - need) : self._most]:
                if question.began_at <= began_before:
                    question.give_up()
        if self._waiting:
            self._let_in()
        if self._inside:
            self._plan_look()
