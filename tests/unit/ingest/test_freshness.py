"""When a reference is asked next."""

from datetime import timedelta

from hypothesis import given
from hypothesis import strategies as st

from imagedrift_ingest.core.freshness import (
    BLOCKED_AT_MOST,
    DESCRIBE_AGAIN_PERIODS,
    FAILED_AT_MOST,
    LIST_FRESHNESS_S,
    SPREAD,
    FreshnessRules,
    candidates_s,
    describe_again_at,
    due_after_answer,
    due_after_failure,
    due_after_list,
    due_after_list_failure,
    due_refused,
    due_unanswered,
    furthest,
    lapsed_before,
    list_due_unanswered,
    period_s,
    question_ttl,
    spread_after_block,
)
from support.ingest import NOW

POLICY = FreshnessRules(freshness_s=300)
policies = st.builds(
    FreshnessRules, freshness_s=st.floats(1, 86_400), stretch=st.floats(1, 100, allow_nan=False)
)
spans = st.timedeltas(timedelta(0), timedelta(days=4000))


def test_a_tag_that_moved_this_week_is_asked_every_period() -> None:
    """A tag that moved within a week is asked every period."""
    assert period_s(POLICY, timedelta(days=6)) == 300


def test_a_tag_that_never_moves_is_asked_less_often_within_the_bound() -> None:
    """A tag that never moves is asked less often, up to a bound."""
    assert period_s(POLICY, timedelta(days=21)) == 900
    assert period_s(POLICY, timedelta(days=1000)) == 1200


@given(unmoved=spans)
def test_a_stretch_of_one_switches_it_off(unmoved: timedelta) -> None:
    """With a stretch of one every tag is asked every period."""
    assert period_s(FreshnessRules(freshness_s=300, stretch=1), unmoved) == 300


@given(policy=policies, unmoved=spans, name=st.text())
def test_due_lies_between_one_period_and_the_stretched_one_with_its_spread(
    policy: FreshnessRules, unmoved: timedelta, name: str
) -> None:
    """P3: a reference is due no sooner than a period, and no later than the bound."""
    due = (due_after_answer(policy, name, NOW, unmoved) - NOW).total_seconds()
    assert policy.freshness_s * 0.999 <= due <= policy.freshness_s * policy.stretch * (1 + SPREAD)


def test_references_heard_of_at_once_are_spread() -> None:
    """A thousand references that arrive together are not due together again."""
    due = {due_after_answer(POLICY, f"r{n}", NOW, timedelta(0)) for n in range(1000)}
    assert max(due) - min(due) > timedelta(seconds=25)
    assert len(due) > 500


def test_failures_are_asked_later_each_time_up_to_a_bound() -> None:
    """Failures are asked again after 1, 2, 4, 4, … periods."""
    waits = [due_after_failure(POLICY, NOW, n, None) - NOW for n in (1, 2, 3, 4, 100)]
    periods = [1, 2, FAILED_AT_MOST, FAILED_AT_MOST, FAILED_AT_MOST]
    assert waits == [timedelta(seconds=300 * n) for n in periods]


def test_a_registry_that_names_a_moment_is_asked_then() -> None:
    """A registry's own time for the next request is kept, within bounds."""
    soon, past, never = NOW + timedelta(seconds=40), NOW - timedelta(days=1), NOW.replace(year=9000)
    assert due_after_failure(POLICY, NOW, 1, soon) == soon
    assert due_after_failure(POLICY, NOW, 1, past) == NOW
    assert due_after_failure(POLICY, NOW, 1, never) == NOW + BLOCKED_AT_MOST


def test_a_digest_that_a_limit_kept_from_being_described_is_asked_when_the_limit_ends() -> None:
    """Any other description that failed is asked again after twelve periods."""
    periods = timedelta(seconds=300 * DESCRIBE_AGAIN_PERIODS)
    soon, past, never = NOW + timedelta(seconds=2), NOW - timedelta(days=1), NOW.replace(year=9000)
    assert describe_again_at(POLICY, NOW, None) == NOW + periods
    assert describe_again_at(POLICY, NOW, soon) == soon
    assert describe_again_at(POLICY, NOW, past) == NOW
    assert describe_again_at(POLICY, NOW, never) == NOW + periods  # others may have the digest


def test_a_candidate_that_no_host_has_is_asked_as_seldom_as_lists() -> None:
    """Where lists are switched off, the bases of images are asked every twelve hours."""
    assert candidates_s(FreshnessRules(list_freshness_s=600)) == 600
    assert candidates_s(FreshnessRules(list_freshness_s=0)) == LIST_FRESHNESS_S == 43_200


@given(policy=policies)
def test_a_question_is_repeated_only_after_the_server_forgot_it(policy: FreshnessRules) -> None:
    """A question is repeated only after its message has expired on the server."""
    assert due_unanswered(policy, NOW) - NOW > timedelta(seconds=question_ttl(policy))
    assert question_ttl(policy) >= 1
    assert due_refused(policy, NOW) > NOW


@given(policy=policies)
def test_a_question_is_out_until_it_may_be_repeated(policy: FreshnessRules) -> None:
    """A question counts as out until it may be repeated."""
    asked = lapsed_before(policy, NOW)
    assert due_unanswered(policy, asked) == NOW


@given(policies, spans, st.integers(0, 100), st.none() | spans)
def test_no_moment_lies_further_ahead_than_is_told(
    rules: FreshnessRules, still_for: timedelta, failures: int, blocked_for: timedelta | None
) -> None:
    """Only a wrong clock writes moments that lie further ahead than the furthest one."""
    far, until = furthest(rules), None if blocked_for is None else NOW + blocked_for
    asked = (
        due_after_answer(rules, "r", NOW, still_for),
        due_after_failure(rules, NOW, failures, until),
        due_unanswered(rules, NOW),
        due_refused(rules, NOW),
        NOW + timedelta(seconds=candidates_s(rules)),
        NOW + BLOCKED_AT_MOST + spread_after_block(rules),
    )
    listed = (
        due_after_list(rules, "r", NOW, still_for),
        due_after_list_failure(rules, NOW, failures, until),
        list_due_unanswered(rules, NOW),
    )
    assert max(asked) <= NOW + far["checks"]
    assert max(listed) <= NOW + far["lists"]
    assert describe_again_at(rules, NOW, until) <= NOW + far["descriptions"]
