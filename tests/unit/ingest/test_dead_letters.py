"""Dead letters as rows: added up by the hour, and fit for their columns."""

from datetime import UTC, datetime, timedelta

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from imagedrift_ingest.core import dead_letters
from imagedrift_schemas.v1 import DeadLetter

NOW = datetime(2026, 1, 1, 12, 30, tzinfo=UTC)
LETTER = DeadLetter(service="ingest", subject="s", reason="malformed", received_at=NOW)


def test_letters_of_one_hour_are_one_row_with_the_first_message() -> None:
    """Dead letters of one hour are one row with the first message and their number."""
    later = msgspec.structs.replace(LETTER, received_at=NOW + timedelta(minutes=5), times=8)
    first = msgspec.structs.replace(LETTER, payload=b"first", error="first")

    (row,) = dead_letters.rows([(9, later), (7, first)])

    assert (row.seq, row.times, row.payload, row.error) == (9, 9, b"first", "first")
    assert (row.first_received_at, row.received_at) == (NOW, later.received_at)
    assert row.hour == NOW.replace(minute=0)


def test_a_message_is_shown_with_its_own_error() -> None:
    """A row has the error, place and message of one letter, although an earlier one has none."""
    first = msgspec.structs.replace(LETTER, error="first", stream="S", stream_seq=1)
    later = msgspec.structs.replace(first, error="later", stream_seq=2, payload=b"later")

    (row,) = dead_letters.rows([(7, first), (9, later)])

    assert (row.error, row.stream_seq, row.payload) == ("later", 2, b"later")


def test_another_hour_subject_or_reason_is_another_row() -> None:
    """Another hour, subject or reason is another row, in the order of the keys."""
    others = [
        msgspec.structs.replace(LETTER, received_at=NOW + timedelta(hours=1)),
        msgspec.structs.replace(LETTER, subject="t"),
        msgspec.structs.replace(LETTER, reason="invalid"),
        LETTER,
    ]

    found = dead_letters.rows(enumerate(others))

    assert len(found) == 4
    keys = [(row.service, row.subject, row.reason, row.hour) for row in found]
    assert keys == sorted(keys)


@given(
    st.text(max_size=3000),
    st.integers(min_value=-(2**70), max_value=2**70),
    st.binary(max_size=70_000),
)
def test_every_letter_fits_its_columns(text: str, number: int, payload: bytes) -> None:
    """Every dead letter fits its columns, without control characters."""
    odd = DeadLetter(
        service=text, subject=text, stream=text, reason=text, error=text,
        stream_seq=number, times=number, received_at=NOW, payload=payload,
    )  # fmt: skip

    (row,) = dead_letters.rows([(1, odd)])

    assert 0 < row.times < 2**31
    assert 0 <= row.stream_seq < 2**63
    assert len(row.payload) <= 64 * 1024
    assert len(row.subject.encode()) <= 1_000
    assert (row.service + row.subject + row.stream + row.reason + row.error).isprintable()
