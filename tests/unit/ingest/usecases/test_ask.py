"""Due questions are published in portions, and noted with what became of each."""

from collections.abc import Sequence
from datetime import datetime

import pytest

from imagedrift_ingest.core.questions import DueTag, PublishOutcome
from imagedrift_ingest.usecases.ask import Ask
from imagedrift_schemas.v1 import List, Question, Resolve
from support.ingest import NOW
from support.turns import OwnTurns
from support.virtual_time import NOW as NOW_THERE
from support.virtual_time import VirtualClock


class Questions:
    """Due questions in memory, and what is noted of them."""

    def __init__(self, count: int) -> None:
        self._tags = [DueTag(n, resolve(n)) for n in range(count)]
        self.read_at: list[datetime] = []
        self.noted: list[list[tuple[int, PublishOutcome]]] = []

    async def due(self, at: datetime) -> Sequence[DueTag]:
        """Return all."""
        self.read_at.append(at)
        return self._tags

    async def note(self, at: datetime, asked: Sequence[tuple[DueTag, PublishOutcome]]) -> None:
        """Keep what is noted."""
        self.noted.append([(tag.ref_id, outcome) for tag, outcome in asked])


class Publisher:
    """Publishes questions with the outcomes that a test gives, in turn."""

    def __init__(self, *outcomes: PublishOutcome) -> None:
        self._outcomes = outcomes
        self.questions: list[Question | List] = []

    async def publish(self, questions: Sequence[Question | List]) -> Sequence[PublishOutcome]:
        """Publish."""
        self.questions += questions
        return [self._outcomes[n % len(self._outcomes)] for n in range(len(questions))]


def resolve(number: int) -> Resolve:
    """A question about a tag."""
    return Resolve(registry="r.io", repository="a", tag=str(number), asked_at=NOW, fresh_since=NOW)


def ask(questions: Questions, publisher: Publisher, turns: OwnTurns | None = None) -> Ask[DueTag]:
    """Work that notes two questions at a time."""
    return Ask("kind", questions, publisher, turns or OwnTurns(), VirtualClock(), 2)


async def test_questions_are_noted_in_portions_with_what_became_of_each() -> None:
    """Whether a question was stored, was there already or failed tells when it is due again."""
    questions, publisher = Questions(3), Publisher("asked", "failed")
    assert await ask(questions, publisher).ask_due(NOW) == 2
    assert questions.noted == [[(0, "asked"), (1, "failed")], [(2, "asked")]]
    assert publisher.questions == [resolve(n) for n in range(3)]


async def test_nothing_is_asked_while_another_replica_has_the_turn() -> None:
    """The turn is that of the kind of questions."""
    questions, publisher, turns = Questions(3), Publisher("asked"), OwnTurns(is_free=False)
    assert await ask(questions, publisher, turns).ask_due(NOW) == 0
    assert (publisher.questions, questions.read_at, turns.names) == ([], [], ["kind"])


@pytest.mark.virtual_time
async def test_what_is_due_now_is_asked() -> None:
    """A run asks what is due at its moment."""
    questions = Questions(1)
    await ask(questions, Publisher("asked")).run()
    assert questions.read_at == [NOW_THERE]
