"""Which of two messages is the newer one, whatever became of their stream."""

from datetime import datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st
from msgspec import Struct

from imagedrift_ingest.core.order import Position, compare, put_off
from support.ingest import NOW

SUBJECT = "s"


class Message(Struct, frozen=True):
    """A message of a stream."""

    subject: str
    stream_seq: int
    stored_at: datetime


def at(second: float) -> datetime:
    """A moment."""
    return NOW + timedelta(seconds=second)


def test_place_and_moment_that_agree_decide() -> None:
    """Sequence and time that agree decide which message is newer."""
    stored = Position(5, 10, at(10))
    assert compare(Position(5, 11, at(11)), stored) == "newer"
    assert compare(Position(5, 11, at(10)), stored) == "newer"
    assert compare(Position(6, 1, at(11)), stored) == "newer"
    assert compare(Position(5, 9, at(9)), stored) == "older"
    assert compare(stored, stored) == "older"


def test_what_does_not_agree_is_in_doubt() -> None:
    """A message whose sequence and time disagree is in doubt."""
    stored = Position(5, 10, at(10))
    assert compare(Position(5, 9, at(11)), stored) == "doubtful"
    assert compare(Position(5, 10, at(11)), stored) == "doubtful"
    assert compare(Position(5, 11, at(9)), stored) == "doubtful"
    assert compare(Position(4, 99, at(9)), stored) == "doubtful"


def test_what_is_older_than_its_stream_is_of_a_backup() -> None:
    """A message that its stream took in before it was made is newer only by its moment."""
    made = int(at(20).timestamp()) * 1_000_000
    stored = Position(made - 1, 10, at(10))
    assert compare(Position(made, 99, at(9)), stored) == "older"
    assert compare(Position(made, 99, at(10)), stored) == "newer"
    assert compare(Position(made, 1, at(11)), stored) == "newer"
    behind = Position(int(at(5).timestamp()) * 1_000_000, 1, at(9))
    assert compare(behind, Position(5, 10, at(10))) == "doubtful"


def test_without_a_moment_the_place_decides() -> None:
    """Without a stored time the sequence decides."""
    assert compare(Position(5, 11, at(9)), Position(5, 10, None)) == "newer"
    assert compare(Position(5, 10, at(9)), Position(5, 10, None)) == "older"


def test_only_what_was_said_later_under_a_lower_sequence_is_put_off() -> None:
    """Of one subject, a later message with a lower sequence is put off."""
    batch = [
        Message("a", 3, at(3)),
        Message("b", 9, at(1)),
        Message("a", 4, at(4)),
        Message("b", 2, at(2)),
        Message("c", 1, at(9)),
    ]
    assert put_off(batch) == {3}


STEPS = st.one_of(
    st.tuples(st.just("say"), st.integers(-3, 30)),
    st.tuples(st.just("back up"), st.just(0)),
    st.tuples(st.just("restore"), st.integers(0, 30)),
    st.tuples(st.just("make anew"), st.integers(-3, 3)),
    st.tuples(st.just("deliver"), st.integers(0, 30)),
)


class Life:
    """A stream that is restored and made anew, and what is stored of one subject of it."""

    def __init__(self) -> None:
        self.clock, self.epoch, self.seq = 0, 1, 0
        self.newest: Message | None = None
        self.messages: list[Message] = []
        self.stored: Message | None = None
        self._place = Position(0, 0, None)
        self._backups: list[tuple[int, int, Message | None]] = []

    def do(self, what: str, number: int) -> None:
        """Take a step."""
        match what:
            case "say":
                self.clock, self.seq = self.clock + number, self.seq + 1
                self.newest = Message(SUBJECT, self.seq, at(self.clock))
                self.messages.append(self.newest)
            case "back up":
                self._backups.append((self.epoch, self.seq, self.newest))
            case "restore" if self._backups:
                self.epoch, self.seq, self.newest = self._backups[number % len(self._backups)]
            case "make anew":
                self.epoch, self.seq, self.newest = self.epoch + number, 0, None
            case "deliver" if self.messages:
                self.deliver(self.messages[number % len(self.messages)])

    def deliver(self, message: Message) -> None:
        """Store a message if it is newer; in doubt the stream is asked."""
        place = Position(self.epoch, message.stream_seq, message.stored_at)
        place_order = compare(place, self._place)
        if place_order == "newer" or (place_order == "doubtful" and message == self.newest):
            self.stored, self._place = message, place


@given(st.lists(STEPS, max_size=60))
def test_what_a_host_says_last_is_stored_in_the_end(steps: list[tuple[str, int]]) -> None:
    """P5: a host's last message is stored in the end, in any order of delivery."""
    life = Life()
    for what, number in steps:
        life.do(what, number)
    life.do("say", 1000)
    last = life.messages[-1]
    life.deliver(last)
    for late in [*life.messages]:
        life.deliver(late)
    assert life.stored == last
