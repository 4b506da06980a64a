"""The circuit breaker: when a failing registry is left alone, and when it is tried again."""

from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from imagedrift_resolver.core.breaker import (
    FAILURES,
    LONGEST_WAIT_S,
    MOST_ERRORS,
    PATIENCE_S,
    Breaker,
    admit,
    doubts,
    errored,
    failed,
    is_open,
    proven_well,
    succeeded,
)

NOW = datetime(2026, 11, 24, 6, 0, tzinfo=UTC)


def after(seconds: float) -> datetime:
    """A moment later."""
    return NOW + timedelta(seconds=seconds)


def opened() -> Breaker:
    """A breaker that has just opened."""
    breaker = Breaker()
    for _ in range(FAILURES):
        breaker = failed(breaker, NOW, "refused")
    return breaker


def test_it_opens_after_failures_in_a_row() -> None:
    """The breaker opens after three failures in a row."""
    breaker = failed(failed(Breaker(), NOW, "x"), NOW, "x")
    assert admit(breaker, NOW, 30)[0]
    breaker = failed(succeeded(breaker), NOW, "x")
    assert admit(breaker, NOW, 30)[0]
    assert not admit(opened(), NOW, 30)[0]


def test_one_probe_finds_out() -> None:
    """After its time an open breaker admits one request."""
    first, probing = admit(opened(), after(15), 30)
    second, _ = admit(probing, after(16), 30)
    assert (first, second) == (True, False)
    assert admit(succeeded(probing), after(17), 30) == (True, Breaker())


def test_a_probe_that_never_comes_back_is_replaced() -> None:
    """A probe that never ends is replaced by another one."""
    _, probing = admit(opened(), after(15), 30)
    assert admit(probing, after(46), 30)[0]


def test_a_failed_probe_waits_longer() -> None:
    """After a failed probe the wait doubles up to its ceiling."""
    breaker, at, waits = opened(), NOW, []
    for _ in range(8):
        assert breaker.open_until is not None
        waits.append((breaker.open_until - at).total_seconds())
        at = breaker.open_until
        _, breaker = admit(breaker, at, 30)
        breaker = failed(breaker, at, "refused")
    assert waits == [15, 30, 60, 120, 240, 480, LONGEST_WAIT_S, LONGEST_WAIT_S]


def test_a_clock_that_is_set_back_does_not_keep_it_open() -> None:
    """A clock that is set back does not keep the breaker open."""
    assert not is_open(opened(), after(-3600))
    assert admit(opened(), after(-3600), 30)[0]


def test_failures_under_way_when_it_opened_do_not_count_again() -> None:
    """Failures that were under way when the breaker opened do not count again."""
    breaker = opened()
    for _ in range(16):
        breaker = failed(breaker, after(1), "refused")
    assert breaker.open_until == after(15)


def erring(breaker: Breaker, *questions: str) -> Breaker:
    """The state after these questions were answered with an error."""
    for question in questions:
        breaker = errored(breaker, question, NOW, "answered 500")
    return breaker


def test_one_question_does_not_open_it_however_often_it_fails() -> None:
    """One question's failures do not open the breaker (distribution/distribution#3842)."""
    assert not is_open(erring(Breaker(), *["a"] * 100), NOW)
    assert is_open(erring(Breaker(), "a", "b", "c"), NOW)


def test_errors_of_a_host_that_is_well_do_not_open_it_before_there_are_many() -> None:
    """Error responses of a host whose `/v2/` works open the breaker only after many."""
    breaker = erring(Breaker(), "a", "b")
    assert not doubts(breaker, "b")
    assert doubts(breaker, "c")
    breaker = erring(proven_well(breaker), *map(str, range(MOST_ERRORS - 3)))
    assert not doubts(breaker, "d")
    assert not is_open(breaker, NOW)
    assert is_open(erring(breaker, "c"), NOW)


def test_a_question_that_worked_is_the_probe() -> None:
    """The probe is a question that succeeded before, if one comes in time."""
    admitted, waiting = admit(opened(), after(60), 30, is_proven=False)
    assert not admitted
    assert admit(waiting, after(61), 30, is_proven=True)[0]
    assert not admit(waiting, after(61), 30, is_proven=False)[0]
    assert admit(waiting, after(60 + PATIENCE_S), 30, is_proven=False)[0]


def test_a_good_answer_of_another_question_closes_it() -> None:
    """A success of any question closes the breaker."""
    assert succeeded(opened()) == Breaker()
    assert succeeded(erring(Breaker(), "a", "b")) == Breaker()


steps = st.lists(st.tuples(st.sampled_from(["ask", "fail", "error", "good"]), st.floats(0, 400)))


@given(steps)
def test_it_never_stays_open_for_good(told: list[tuple[str, float]]) -> None:
    """After any history a request is admitted within the longest wait."""
    breaker, at = Breaker(), NOW
    for what, seconds in told:
        at += timedelta(seconds=seconds)
        if what == "ask":
            _, breaker = admit(breaker, at, 30, is_proven=False)
        elif what == "error":
            breaker = errored(breaker, str(seconds), at, "x", 1.0)
        else:
            breaker = succeeded(breaker) if what == "good" else failed(breaker, at, "x", 1.0)
    _, breaker = admit(breaker, at + timedelta(seconds=1.2 * LONGEST_WAIT_S + 31), 30)
    later = at + timedelta(seconds=2.4 * LONGEST_WAIT_S + 62)
    _, breaker = admit(breaker, later, 30, is_proven=False)
    assert admit(breaker, later + timedelta(seconds=PATIENCE_S + 31), 30, is_proven=False)[0]
