"""Times and texts of answers, limits and letters are believed within bounds."""

from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from imagedrift_ingest.core import message_bounds, times
from imagedrift_schemas.errors import Malformed
from imagedrift_schemas.v1 import (
    Answer,
    Child,
    DeadLetter,
    Described,
    Limited,
    RegistryState,
    Unreachable,
)
from support.ingest import NOW, answer, digest

DAY = timedelta(days=1)
DOCKERS_ZERO = datetime(1, 1, 1, tzinfo=UTC)
LAST = datetime(9999, 12, 31, 23, 59, 59, tzinfo=timezone(timedelta(hours=-12)))
"""In UTC, it is in a year that neither Python nor RFC 3339 has."""
ANY_TIME = (
    st.datetimes(timezones=st.sampled_from([UTC, timezone(timedelta(hours=-12))]))
    | st.just(DOCKERS_ZERO)
    | st.just(LAST)
)


def believed(received: Answer) -> Answer:
    """The answer as it is believed."""
    found = message_bounds.answer(received, NOW)
    assert isinstance(found, Answer)
    return found


@given(ANY_TIME, ANY_TIME, ANY_TIME)
def test_no_time_of_an_answer_is_out_of_bounds(
    checked_at: datetime, found_at: datetime, until: datetime
) -> None:
    """No time of an answer is later than the time at which NATS stored it."""
    received = answer(
        outcome=Limited(until=until), checked_at=checked_at, last_found_at=found_at, failures=-1
    )
    kept = believed(received)
    assert times.LONG_AGO < kept.checked_at <= NOW
    assert kept.last_found_at is None or times.LONG_AGO < kept.last_found_at <= kept.checked_at
    assert isinstance(kept.outcome, Limited)
    assert kept.outcome.until is None or times.LONG_AGO < kept.outcome.until <= NOW + DAY
    for at in (kept.checked_at, kept.last_found_at, kept.outcome.until):
        assert at is None or at.astimezone(UTC).year <= NOW.year


def test_an_answer_of_a_sane_resolver_is_left_as_it_is() -> None:
    """An answer with possible times is left as it is."""
    received = answer(checked_at=NOW - timedelta(seconds=3), last_found_at=NOW - timedelta(days=9))
    assert believed(received) == received


def test_a_clock_ahead_does_not_put_off_the_next_check() -> None:
    """With a clock ahead `checked_at` is the time at which NATS stored the answer."""
    assert believed(answer(checked_at=NOW + timedelta(hours=5))).checked_at == NOW


@pytest.mark.parametrize("failures", [-5, 3, 2**70])
def test_a_count_of_failures_fits_its_column(failures: int) -> None:
    """A count of failures fits its column, with one more added."""
    assert 0 <= believed(answer(failures=failures)).failures < 2**31 - 1


def test_the_words_of_a_registry_are_cleaned() -> None:
    """A registry's texts are cleaned, as they are shown on terminals."""
    reason = "<html>\r\n\x1b]0;pwned\x07\u202e" + "x" * 5000
    outcome = believed(answer(outcome=Unreachable(reason=reason))).outcome
    assert isinstance(outcome, Unreachable)
    assert outcome.reason.isprintable()
    assert len(outcome.reason) == message_bounds.MOST_TEXT

    received = Described(
        registry="r.io",
        repository="a",
        digest=digest(1),
        checked_at=NOW + DAY,
        children=(Child(platform="linux/\x00", digest=digest(2)),),
        failure=Unreachable(reason="a\x00"),
    )
    described = message_bounds.answer(received, NOW)
    assert isinstance(described, Described)
    assert described.children[0].platform == "linux/\ufffd"
    assert (described.checked_at, described.failure) == (NOW, Unreachable(reason="a\ufffd"))


@given(ANY_TIME, st.integers())
def test_no_limit_of_a_registry_is_out_of_bounds(at: datetime, count: int) -> None:
    """A block of a thousand years ends tomorrow, unless it is reported again."""
    kept = message_bounds.registry_state(
        RegistryState(
            registry="r.io",
            rate_limit=count,
            rate_remaining=count,
            rate_window_s=count,
            last_status=count,
            rate_reset_at=at,
            blocked_until=at,
            get_blocked_until=at,
            observed_at=at,
            last_error="\x00",
            credential="\u202e",
        ),
        NOW,
    )
    assert times.LONG_AGO < kept.observed_at <= NOW
    for until in (kept.rate_reset_at, kept.blocked_until, kept.get_blocked_until):
        assert until is None or times.LONG_AGO < until <= NOW + DAY
    assert kept.rate_limit in {count, None}
    assert kept.rate_limit is None or 0 <= kept.rate_limit < 2**31
    assert kept.last_error == kept.credential == "\ufffd"


@pytest.mark.parametrize(
    "name", ["", "\x1b[2J", "r.io\x00", "r.io\n", "R.io", "r" * 3000, "r.io/a"]
)
def test_a_limit_of_what_is_no_registry_is_refused(name: str) -> None:
    """A limit of a malformed registry name is refused with its field."""
    with pytest.raises(Malformed, match=r"^registry: "):
        message_bounds.registry_state(RegistryState(registry=name, observed_at=NOW), NOW)


def test_a_letter_was_not_received_after_it_was_stored() -> None:
    """A dead letter's time is never later than its storage."""
    letter = DeadLetter(service="s", subject="a.b", reason="r", received_at=LAST)
    assert message_bounds.dead_letter(letter, NOW) == replace(letter, received_at=NOW)
    assert message_bounds.dead_letter(replace(letter, received_at=NOW), NOW).received_at == NOW
