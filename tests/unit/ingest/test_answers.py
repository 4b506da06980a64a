"""An answer changes the state of its reference by the rules."""

from datetime import timedelta
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from imagedrift_ingest.core.answers import AnswerState, Period, fold, history
from imagedrift_ingest.core.freshness import FreshnessRules
from imagedrift_schemas.v1 import (
    Answer,
    Denied,
    Limited,
    Missing,
    Outcome,
    Unreachable,
    Unsupported,
)
from support.ingest import NGINX, NOW, answer, digest

ONE, TWO = digest((NGINX, 1)), digest((NGINX, 2))


def after(*answers: Answer) -> AnswerState:
    """The state after answers that came one after the other."""
    state = AnswerState()
    for seq, message in enumerate(answers, 1):
        folded = fold(state, message, epoch=1, seq=seq, reference=NGINX, rules=FreshnessRules())
        assert folded is not None
        state = folded
    return state


def at(minute: int, version: int = 1, outcome: Outcome | None = None, **facts: Any) -> Answer:
    """An answer of a minute."""
    moment = NOW + timedelta(minutes=minute)
    return answer(version=version, outcome=outcome, checked_at=moment, **facts)


def test_an_answer_that_is_not_later_changes_nothing() -> None:
    """An answer that is not later in the stream changes nothing."""
    state = after(at(0), at(1, 2))
    for epoch, seq in ((1, 2), (1, 1), (0, 9)):
        late = fold(state, at(5), epoch=epoch, seq=seq, reference=NGINX, rules=FreshnessRules())
        assert late is None


def test_a_recreated_bucket_counts_from_one_and_still_counts() -> None:
    """An answer of a later epoch is later, whatever its sequence."""
    state = after(at(0), at(1))
    assert (
        fold(state, at(2, 2), epoch=2, seq=1, reference=NGINX, rules=FreshnessRules()) is not None
    )


def test_the_moment_of_a_digest_is_when_it_was_first_found() -> None:
    """The same digest again moves the check, and not the time of the change."""
    state = after(at(0, 1), at(1, 1))
    assert (state.remote_since, state.checked_at) == (NOW, NOW + timedelta(minutes=1))
    assert after(at(0, 1), at(1, 2)).remote_since == NOW + timedelta(minutes=1)


def test_a_failure_keeps_digest_and_check_and_counts() -> None:
    """P1: a failure keeps the digest, and adds its start and number."""
    state = after(at(0), at(1, outcome=Unreachable(reason="refused")), at(2, outcome=Denied()))
    assert (state.remote_digest, state.checked_at) == (ONE, NOW)
    assert (state.failure, state.error, state.failures) == ("denied", "denied", 2)
    assert state.failing_since == NOW + timedelta(minutes=1)
    assert state.attempted_at == NOW + timedelta(minutes=2)


def test_a_conclusive_answer_ends_a_failure() -> None:
    """After a found digest nothing of the failure is left."""
    state = after(at(0, outcome=Unsupported()), at(1))
    assert (state.failure, state.error, state.failures, state.failing_since) == (
        None,
        None,
        0,
        None,
    )


def test_a_missing_tag_keeps_its_last_digest() -> None:
    """A missing tag keeps its last digest, also one that another database found."""
    gone = after(at(0), at(1, outcome=Missing()))
    assert (gone.gone, gone.remote_digest, gone.failure) == (True, ONE, None)

    told = after(at(1, outcome=Missing(), last_digest=TWO, last_found_at=NOW))
    assert (told.remote_digest, told.remote_since) == (TWO, NOW)


def test_a_failure_after_missing_stays_missing() -> None:
    """A failure after a missing tag leaves it missing."""
    state = after(at(0), at(1, outcome=Missing()), at(2, outcome=Unreachable()))
    assert (state.gone, state.failure) == (True, "unreachable")


def test_a_limit_is_waited_for() -> None:
    """The next check of a limited reference is at the registry's time."""
    until = NOW + timedelta(minutes=3)
    assert after(at(0, outcome=Limited(until=until))).next_check_at == until


def test_a_fresh_database_learns_the_last_digest_from_a_failure() -> None:
    """An empty database takes the last digest from a failure's answer."""
    state = after(at(5, outcome=Unreachable(), last_digest=ONE, last_found_at=NOW))
    assert (state.remote_digest, state.checked_at) == (ONE, NOW)


def test_history_has_a_period_for_each_digest_and_ends_it_when_the_tag_is_gone() -> None:
    """The history has one period per digest, which ends when the tag is gone."""
    found, moved = after(at(0)), after(at(0), at(1, 2))
    failed, gone = after(at(0), at(1, outcome=Denied())), after(at(0), at(1, outcome=Missing()))
    later = NOW + timedelta(minutes=1)
    assert history(AnswerState(), found) == Period(at=NOW, digest=ONE)
    assert history(found, moved) == Period(at=later, digest=TWO)
    assert history(found, gone) == Period(at=later, digest=None)
    assert history(gone, after(at(0), at(1, outcome=Missing()), at(2))) == Period(
        at=NOW + timedelta(minutes=2), digest=ONE
    )
    assert history(found, failed) is None


outcomes = st.sampled_from([None, Missing(), Denied(reason="no"), Unreachable(), Limited()])


@given(st.lists(st.tuples(st.integers(1, 2), outcomes), min_size=1, max_size=12))
def test_the_state_is_always_one_that_the_database_accepts(
    steps: list[tuple[int, Outcome | None]],
) -> None:
    """Any sequence of answers gives a state that the table's constraints accept."""
    state = after(*(at(n, version, outcome) for n, (version, outcome) in enumerate(steps)))
    assert (state.remote_digest is None) == (state.remote_since is None)
    assert (state.failure is None and not state.gone) == (state.failing_since is None)
    assert state.next_check_at is not None
    assert state.attempted_at is not None
    assert state.next_check_at >= state.attempted_at
