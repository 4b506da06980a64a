"""P1 as a law of the verdict: whatever fails, no failure says "current" or "outdated"."""

from datetime import UTC, datetime
from typing import get_args

from hypothesis import given
from hypothesis import strategies as st

from imagedrift_ingest.core import answers
from imagedrift_ingest.core.answers import AnswerState
from imagedrift_ingest.core.freshness import FreshnessRules
from imagedrift_ingest.core.verdict import LocalSide, Verdict, judge
from imagedrift_schemas import v1
from imagedrift_schemas.v1 import Answer, Child, Found, Missing, Outcome

NOW = datetime(2026, 11, 23, 16, 20, tzinfo=UTC)
FAILED = [kind for kind in get_args(v1.Failure) if kind is not Missing]
"""Every kind of failure there is: one added to the messages is tried here without further ado."""

digests = st.sampled_from([f"sha256:{mark * 64}" for mark in "abc"])
platforms = st.sampled_from(["linux/amd64", "linux/arm64"])
locals_ = st.builds(
    LocalSide,
    image_id=digests,
    repo_digests=st.lists(digests, max_size=2, unique=True).map(tuple),
    platform=platforms,
    manifest_digest=digests | st.just(""),
    pinned=st.booleans(),
    machine_bound=st.booleans(),
)
inside = st.none() | st.lists(
    st.builds(Child, platform=platforms, digest=digests, config_digest=digests | st.just("")),
    max_size=2,
)
failures: st.SearchStrategy[Outcome] = st.one_of(
    *(st.builds(kind, reason=st.text(max_size=20)) for kind in FAILED)
)
outcomes: st.SearchStrategy[Outcome] = st.one_of(
    failures, st.builds(Found, digest=digests), st.builds(Missing)
)


def after(state: AnswerState, outcome: Outcome) -> AnswerState:
    """Return the remote side after one more answer."""
    answer = Answer(
        registry="r.example.org", repository="app", tag="1", checked_at=NOW, outcome=outcome
    )
    folded = answers.fold(
        state,
        answer,
        epoch=1,
        seq=state.seq + 1,
        reference="r.example.org/app:1",
        rules=FreshnessRules(),
    )
    assert folded is not None
    return folded


def words_of(found: Verdict) -> tuple[str, str]:
    """Return the verdict that an operator reads."""
    return found.verdict, found.reason


@given(locals_, inside, st.lists(failures, min_size=1, max_size=4))
def test_p1_failures_alone_never_say_current_or_outdated(
    local: LocalSide, within: list[Child] | None, failed: list[Outcome]
) -> None:
    """However often and however a tag's checks failed: nobody found anything, so nobody knows."""
    state = AnswerState()
    for outcome in failed:
        state = after(state, outcome)

    found = judge(local, state.remote, within)

    assert found.verdict in ("unknown", "pinned", "local")


@given(locals_, inside, st.lists(outcomes, max_size=4), failures)
def test_p1_a_failure_never_changes_a_verdict_that_was_found(
    local: LocalSide, within: list[Child] | None, earlier: list[Outcome], failure: Outcome
) -> None:
    """After any history a failure leaves the verdict as it was, or replaces one `unknown`."""
    state = AnswerState()
    for outcome in earlier:
        state = after(state, outcome)

    before = judge(local, state.remote, within)
    now = judge(local, after(state, failure).remote, within)

    assert now.verdict == before.verdict
    assert words_of(now) == words_of(before) or now.verdict == "unknown"
    if before.verdict in ("current", "outdated", "missing"):
        assert now.stale
        assert now.error
