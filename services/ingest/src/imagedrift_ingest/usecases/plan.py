"""Planning: questions that are due are published, and noted.

Rules:
- One replica plans at a time, in a turn; there is no leader to lose.
- Nothing is locked while questions are published. What is due is read, published, and noted, each
  for itself: a crash or a failure in between asks again, and the stream drops what it holds.
- After news planning waits until no further host brings new references (`core.arrival_wait`). Where
  many hosts do so at once, it waits before it asks, as the order of questions depends on all.
"""

import asyncio
from collections.abc import Iterator, Sequence
from collections.abc import Set as AbstractSet
from datetime import datetime
from functools import partial
from typing import Final, Protocol, TypeVar

from imagedrift_ingest.core.arrival_wait import begin_wait, is_fleet
from imagedrift_ingest.core.freshness import FreshnessRules
from imagedrift_ingest.core.questions import (
    DueDigest,
    DueList,
    DueTag,
    PublishOutcome,
    next_check_at,
    next_description_at,
    next_list_at,
)
from imagedrift_ingest.turns import Turns
from imagedrift_runtime.clock import Clock
from imagedrift_runtime.waiting import wait_for_any
from imagedrift_schemas.v1 import List, Question

T = TypeVar("T")

TURN: Final = "plan"
NOTED_AT_ONCE: Final = 200
"""Noted after so many, so that a slow stream holds up a turn and loses no work."""


class DueQuestions(Protocol):
    """The questions that are due. Raises `DatabaseUnavailable`."""

    async def due_tags(self, at: datetime) -> Sequence[DueTag]:
        """Read the references that are due, the most urgent first, a bounded number of them."""

    async def note_asked(self, at: datetime, due: Sequence[tuple[DueTag, datetime]]) -> None:
        """Note that references were asked about, and when each is due again."""

    async def due_digests(self, at: datetime) -> Sequence[DueDigest]:
        """Read the digests whose content would tell whether images are outdated."""

    async def note_described(self, at: datetime, due: Sequence[tuple[DueDigest, datetime]]) -> None:
        """Note that digests were asked about, and when each may be asked about again."""


class DueLists(Protocol):
    """The repositories whose tags are due to be listed. Raises `DatabaseUnavailable`."""

    async def due(self, at: datetime) -> Sequence[DueList]:
        """Read the repositories that are due, a bounded number of them."""

    async def note_asked(self, at: datetime, due: Sequence[tuple[DueList, datetime, bool]]) -> None:
        """Note which repositories were asked about, and when each is due again."""


class BlockedRegistries(Protocol):
    """The references of registries that cannot be asked now."""

    async def reschedule(self, at: datetime) -> None:
        """Make references due when the block of their registry ends; some at a time."""


class QuestionLanes(Protocol):
    """Where questions are published."""

    async def publish(self, questions: Sequence[Question | List]) -> Sequence[PublishOutcome]:
        """Publish questions, and return the outcome of each."""


class Arrivals(Protocol):
    """Which hosts bring new images."""

    @property
    def bringers(self) -> AbstractSet[int]:
        """Return the hosts that brought new images since they were last taken."""

    def take_bringers(self) -> AbstractSet[int]:
        """Return these hosts, and begin anew."""


class Plan:
    """Publishes the questions that are due. `news` is set when there are new references."""

    def __init__(
        self,
        questions: DueQuestions,
        lists: DueLists,
        blocked: BlockedRegistries,
        publisher: QuestionLanes,
        arrivals: Arrivals,
        turns: Turns,
        rules: FreshnessRules,
        clock: Clock,
        news: asyncio.Event,
        stopping: asyncio.Event,
        noted_at_once: int,
    ) -> None:
        self._questions = questions
        self._lists = lists
        self._blocked = blocked
        self._publisher = publisher
        self._arrivals = arrivals
        self._turns = turns
        self._rules = rules
        self._clock = clock
        self._news = news
        self._stopping = stopping
        self._noted_at_once = noted_at_once

    async def run(self) -> None:
        """Ask the questions that are due now, and gather new references before that or after it."""
        starts = is_fleet(self._arrivals.bringers)
        if starts:
            await self._gather(frozenset())
        is_news = self._news.is_set()
        self._news.clear()
        brought_by = self._arrivals.take_bringers()
        await self.ask_due(self._clock.now())
        if is_news and not starts:
            await self._gather(brought_by)

    async def ask_due(self, at: datetime) -> int:
        """Ask the questions that are due, unless another replica does; returns their number."""
        return await self._turns.run(TURN, partial(self._ask_due, at)) or 0

    async def _ask_due(self, at: datetime) -> int:
        await self._blocked.reschedule(at)
        asked = 0
        for tags in self._portions(await self._questions.due_tags(at)):
            asked += await self._resolve(tags, at)
        for digests in self._portions(await self._questions.due_digests(at)):
            asked += await self._describe(digests, at)
        if lists := await self._lists.due(at):
            asked += await self._list(lists, at)
        return asked

    async def _resolve(self, tags: Sequence[DueTag], at: datetime) -> int:
        """Ask about tags, and note the published questions."""
        outcomes = await self._publisher.publish([tag.question for tag in tags])
        again = [next_check_at(outcome, self._rules, at) for outcome in outcomes]
        due = [(tag, when) for tag, when in zip(tags, again, strict=True) if when]
        await self._questions.note_asked(at, due)
        return outcomes.count("asked")

    async def _describe(self, digests: Sequence[DueDigest], at: datetime) -> int:
        """Ask about digests, and note the published questions."""
        outcomes = await self._publisher.publish([digest.question for digest in digests])
        again = [next_description_at(outcome, self._rules, at) for outcome in outcomes]
        due = [(digest, when) for digest, when in zip(digests, again, strict=True) if when]
        await self._questions.note_described(at, due)
        return outcomes.count("asked")

    async def _list(self, lists: Sequence[DueList], at: datetime) -> int:
        """Ask for the tags of repositories, and note the published questions."""
        outcomes = await self._publisher.publish([each.question for each in lists])
        due = [
            (each, next_list_at(outcome, self._rules, at), outcome != "failed")
            for each, outcome in zip(lists, outcomes, strict=True)
        ]
        await self._lists.note_asked(at, due)
        return outcomes.count("asked")

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

    def _portions(self, due: Sequence[T]) -> Iterator[Sequence[T]]:
        for first in range(0, len(due), self._noted_at_once):
            yield due[first : first + self._noted_at_once]
