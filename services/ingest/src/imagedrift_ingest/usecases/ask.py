"""Asking: the questions of one kind that are due are published, and noted.

Rules:
- Each kind has a turn of its own, so that none waits for another: finding the digests to be
  described may take long. One replica works in a turn at a time; there is no leader to lose.
- Nothing is locked while questions are published. What is due is read, published, and noted, each
  for itself: a crash or a failure in between asks again, and the stream drops what it holds.
"""

from collections.abc import Sequence
from datetime import datetime
from functools import partial
from typing import Final, Generic, Protocol, TypeVar

from imagedrift_ingest.core.questions import PublishOutcome
from imagedrift_ingest.turns import Turns
from imagedrift_runtime.clock import Clock
from imagedrift_schemas.v1 import List, Question

NOTED_AT_ONCE: Final = 200
"""Noted after so many, so that a slow stream holds up a turn and loses no work."""


class Due(Protocol):
    """A tag, digest or repository about which a question is due."""

    @property
    def question(self) -> Question | List:
        """Return the question."""


D = TypeVar("D", bound=Due)


class DueQuestions(Protocol[D]):
    """The questions of one kind that are due. Raises `DatabaseUnavailable`."""

    async def due(self, at: datetime) -> Sequence[D]:
        """Read what is due, the most urgent first, a bounded number of them."""

    async def note(self, at: datetime, asked: Sequence[tuple[D, PublishOutcome]]) -> None:
        """Note what became of questions, and so when each is due again."""


class QuestionLanes(Protocol):
    """Where questions are published."""

    async def publish(self, questions: Sequence[Question | List]) -> Sequence[PublishOutcome]:
        """Publish questions, and return the outcome of each."""


class Ask(Generic[D]):
    """Publishes the questions of one kind that are due, in the turn of that kind."""

    def __init__(
        self,
        turn: str,
        questions: DueQuestions[D],
        publisher: QuestionLanes,
        turns: Turns,
        clock: Clock,
        noted_at_once: int = NOTED_AT_ONCE,
    ) -> None:
        self._turn = turn
        self._questions = questions
        self._publisher = publisher
        self._turns = turns
        self._clock = clock
        self._noted_at_once = noted_at_once

    async def run(self) -> None:
        """Ask the questions that are due now."""
        await self.ask_due(self._clock.now())

    async def ask_due(self, at: datetime) -> int:
        """Ask the questions that are due, unless another replica does; returns their number."""
        return await self._turns.run(self._turn, partial(self._ask_due, at)) or 0

    async def _ask_due(self, at: datetime) -> int:
        asked = 0
        due = await self._questions.due(at)
        for first in range(0, len(due), self._noted_at_once):
            portion = due[first : first + self._noted_at_once]
            outcomes = await self._publisher.publish([each.question for each in portion])
            await self._questions.note(at, list(zip(portion, outcomes, strict=True)))
            asked += outcomes.count("asked")
        return asked
