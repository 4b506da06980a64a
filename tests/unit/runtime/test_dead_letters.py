"""Dead letters stay few, however many messages are refused."""

from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from imagedrift_runtime.nats import dead_letters
from imagedrift_runtime.nats.dead_letters import DeadLetterLimiter, DueLetter

NOW = datetime(2026, 1, 1, 12, tzinfo=UTC)


def test_a_flood_from_one_publisher_is_a_handful_of_letters() -> None:
    """100,000 refusals of one subject: the first has the message, each further one tells twice."""
    counting = DeadLetterLimiter()

    written = [due for _ in range(100_000) if (due := counting.refused("s", "malformed", NOW))]

    assert written[:3] == [DueLetter(1, True), DueLetter(1, False), DueLetter(2, False)]
    assert len(written) == 17
    assert sum(due.times for due in written) >= 50_000


def test_another_subject_and_another_reason_have_letters_of_their_own() -> None:
    """The refusals of one host hide none of another."""
    counting = DeadLetterLimiter()
    for _ in range(1000):
        counting.refused("s", "malformed", NOW)

    assert counting.refused("t", "malformed", NOW) == DueLetter(1, True)
    assert counting.refused("s", "refused by the database", NOW) == DueLetter(1, True)


def test_the_next_hour_begins_with_a_letter() -> None:
    """A host that goes on being refused stays visible, with its newest message."""
    counting = DeadLetterLimiter()
    for _ in range(3):
        counting.refused("s", "malformed", NOW)

    assert counting.refused("s", "malformed", NOW + timedelta(hours=1)) == DueLetter(1, True)


def test_made_up_subjects_take_neither_memory_nor_payloads_without_end() -> None:
    """Beyond so many, letters have no payload; beyond many more, there are none in this hour."""
    counting = DeadLetterLimiter()

    written = [counting.refused(f"s{n}", "malformed", NOW) for n in range(dead_letters.MOST + 500)]

    assert sum(due is not None for due in written) == dead_letters.MOST
    assert sum(due.with_payload for due in written if due) == dead_letters.WITH_PAYLOAD
    assert len(counting) == dead_letters.MOST


@given(st.lists(st.tuples(st.sampled_from("ab"), st.booleans()), max_size=200))
def test_no_refusal_is_told_twice_and_at_most_half_is_untold(
    steps: list[tuple[str, bool]],
) -> None:
    """Letters that fail to be written are counted when their messages come again."""
    counting, refused, told = DeadLetterLimiter(), dict.fromkeys("ab", 0), dict.fromkeys("ab", 0)
    for subject, is_writable in steps:
        due = counting.refused(subject, "r", NOW)
        if due and not is_writable:
            counting.not_written(subject, "r", due)
            continue
        refused[subject] += 1
        told[subject] += due.times if due else 0
        assert due is None or due.with_payload == (told[subject] == due.times)
    for subject, times in refused.items():
        assert times / 2 <= told[subject] <= times
