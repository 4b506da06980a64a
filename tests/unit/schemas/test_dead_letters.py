"""A dead letter is within its bounds, whoever writes it."""

from datetime import UTC, datetime

from hypothesis import given
from hypothesis import strategies as st

from imagedrift_schemas.constraints import MOST_PAYLOAD
from imagedrift_schemas.dead_letters import MOST_ERROR, MOST_SUBJECT, MOST_WORD, bounded
from imagedrift_schemas.v1 import DeadLetter

NOW = datetime(2026, 1, 1, tzinfo=UTC)


@given(
    st.text(max_size=3000),
    st.integers(min_value=-(2**70), max_value=2**70),
    st.binary(max_size=70_000),
)
def test_every_letter_is_bounded_and_can_be_shown(text: str, number: int, payload: bytes) -> None:
    """Texts are clean and cut in bytes, numbers and payload are in their ranges."""
    letter = bounded(
        DeadLetter(
            service=text, subject=text, stream=text, reason=text, error=text,
            stream_seq=number, times=number, received_at=NOW, payload=payload,
        )
    )  # fmt: skip

    for part, most in (
        (letter.service, MOST_WORD),
        (letter.stream, MOST_WORD),
        (letter.reason, MOST_WORD),
        (letter.subject, MOST_SUBJECT),
        (letter.error, MOST_ERROR),
    ):
        assert part.isprintable()
        assert len(part.encode()) <= most
    assert 0 <= letter.stream_seq < 2**63
    assert 0 < letter.times < 2**31
    assert letter.payload == payload[:MOST_PAYLOAD]
    assert bounded(letter) == letter


def test_a_letter_within_its_bounds_is_left_as_it_is() -> None:
    """A letter that fits and can be shown is not changed."""
    letter = DeadLetter(
        service="ingest", subject="s", reason="malformed", error="x", received_at=NOW, payload=b"{"
    )
    assert bounded(letter) == letter
