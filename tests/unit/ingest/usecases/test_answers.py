"""Answers, limits and dead letters are stored by batches, the newest of each subject."""

from collections.abc import Mapping, Sequence
from datetime import timedelta

from msgspec.structs import replace

from imagedrift_ingest.errors import DatabaseUnavailable
from imagedrift_ingest.usecases.store.answers import StoreDeadLetters, StoreRegistryStates
from imagedrift_runtime.nats.delivery import Delivery
from imagedrift_runtime.nats.outcomes import Done, Reject, Retry
from imagedrift_schemas import codec, subjects
from imagedrift_schemas.v1 import Answer, DeadLetter, Described, RegistryState
from support.ingest import NOW, answer
from support.storing import StillStream, store_answers

STATE = RegistryState(registry="docker.io", observed_at=NOW)
LETTER = DeadLetter(service="agent", subject="s", reason="r", received_at=NOW)


class Answers:
    """Keeps answers in memory."""

    def __init__(self) -> None:
        self.answers: dict[str, tuple[int, Answer]] = {}
        self.made_due: list[str] = []
        self.read_to = 0

    async def store(
        self,
        epoch: int,
        answers: Mapping[str, tuple[int, Answer]],
        described: Sequence[Described],
        *,
        surely_newest: bool,
        read_to: int,
    ) -> set[int]:
        """Keep them."""
        self.answers |= answers
        self.read_to = read_to
        return set()

    async def make_due(self, references: Sequence[str]) -> None:
        """Keep them."""
        self.made_due += references


class Newest(StillStream):
    """A stream whose every message is the newest."""

    async def is_newest(self, *position: object) -> bool:
        """Say so."""
        return True


class DoubtedStates:
    """Takes states for older, until it is told that they are the newest."""

    def __init__(self) -> None:
        self.stored: list[int] = []

    async def store(
        self, epoch: int, states: Sequence[tuple[int, RegistryState]], *, surely_newest: bool
    ) -> set[int]:
        """Store what is surely the newest."""
        seqs = [seq for seq, _ in states]
        self.stored += seqs if surely_newest else []
        return set() if surely_newest else set(seqs)


class Letters:
    """Keeps dead letters, unless the database is away."""

    def __init__(self, *, is_away: bool = False) -> None:
        self.stored: list[int] = []
        self._is_away = is_away

    async def store(self, epoch: int, letters: Sequence[tuple[int, DeadLetter]]) -> None:
        """Keep them."""
        if self._is_away:
            raise DatabaseUnavailable("away")
        self.stored += [seq for seq, _ in letters]


def delivery(subject: str, payload: bytes, seq: int = 1) -> Delivery:
    """A message as it is delivered."""
    return Delivery(subject, payload, "S", seq, 1, NOW)


async def test_the_newest_answer_counts_and_a_deleted_one_is_asked_again() -> None:
    """The newest answer counts, and a deleted one makes its reference due."""
    answers = Answers()
    old, new = answer(version=1, checked_at=NOW), answer(version=2, checked_at=NOW)
    key = f"$KV.drift_digests.{subjects.answer_key(new)}"
    other = answer("quay.io/a/b:1")
    deleted = f"$KV.drift_digests.{subjects.answer_key(other)}"

    outcomes = await store_answers(answers).handle(
        [
            delivery(key, codec.encode(new), 9),
            delivery(key, codec.encode(old), 8),
            delivery(deleted, b"", 10),
            delivery(key, b"nonsense", 11),
        ]
    )

    assert [type(outcome) for outcome in outcomes] == [Done, Done, Done, Reject]
    assert answers.answers["docker.io/library/nginx:1.27"] == (9, new)
    assert answers.made_due == ["quay.io/a/b:1"]
    assert answers.read_to == 10


async def test_two_answers_of_two_lives_of_the_stream_are_stored_in_turn() -> None:
    """P5: a later answer with a lower sequence is redelivered, not dropped."""
    answers = Answers()
    key = f"$KV.drift_digests.{subjects.answer_key(answer())}"
    first = delivery(key, codec.encode(answer(version=1)), 9)
    later = replace(
        delivery(key, codec.encode(answer(version=2)), 3), stored_at=NOW + timedelta(seconds=1)
    )

    outcomes = await store_answers(answers).handle([first, later])

    assert [type(outcome) for outcome in outcomes] == [Done, Retry]


async def test_a_state_that_only_seems_older_is_stored() -> None:
    """A registry's state that only seems older is stored."""
    states = DoubtedStates()
    handler = StoreRegistryStates(states, Newest())
    outcomes = await handler.handle(
        [delivery("a", codec.encode(STATE), 4), delivery("b", b"", 5), delivery("c", b"{", 6)]
    )
    assert [type(outcome) for outcome in outcomes] == [Done, Done, Reject]
    assert states.stored == [4]


async def test_a_dead_letter_that_cannot_be_read_is_dropped() -> None:
    """An unreadable dead letter is dropped, as it would be redelivered for ever."""
    letters = Letters()
    batch = [delivery("a", codec.encode(LETTER), 1), delivery("b", b"{", 2)]
    assert await StoreDeadLetters(letters, StillStream()).handle(batch) == [Done(), Done()]
    assert letters.stored == [1]


async def test_dead_letters_wait_for_the_database() -> None:
    """P4: dead letters are redelivered until the database is back."""
    handler = StoreDeadLetters(Letters(is_away=True), StillStream())
    [outcome] = await handler.handle([delivery("a", codec.encode(LETTER))])
    assert isinstance(outcome, Retry)
