"""The answer that is made of a finding: a failure keeps what earlier answers told."""

from datetime import timedelta

from imagedrift_resolver.core.description import Description
from imagedrift_resolver.core.finding import answer_to, failure_of
from imagedrift_schemas.v1 import Answer, Child, Describe, Described, Found, Resolve, Unreachable
from support.conversations import DIGEST, NOW

LATER = NOW + timedelta(minutes=5)
RESOLVE = Resolve(registry="r.example", repository="a/b", tag="1", asked_at=NOW, fresh_since=NOW)
DESCRIBE = Describe(registry="r.example", repository="a/b", digest=DIGEST, asked_at=NOW)
CHILD = Child(platform="linux/amd64", digest=DIGEST)
AWAY = Unreachable(reason="no connection")


def test_a_failure_is_told_of_either_kind_of_question() -> None:
    """A description may hold children and a failure beside them."""
    assert failure_of(Found(digest=DIGEST)) is None
    assert failure_of(AWAY) == AWAY
    assert failure_of(Description((CHILD,))) is None
    assert failure_of(Description((CHILD,), AWAY)) == AWAY


def test_a_failed_resolve_keeps_the_digest_found_last_and_counts() -> None:
    """An outage leaves the verdicts as they were, and stale."""
    good = answer_to(RESOLVE, Found(digest=DIGEST), None, NOW, "anonymous")
    once = answer_to(RESOLVE, AWAY, good, LATER, "anonymous")
    twice = answer_to(RESOLVE, AWAY, once, LATER, "anonymous")
    assert isinstance(twice, Answer)
    assert (twice.last_digest, twice.last_found_at, twice.failures) == (DIGEST, NOW, 2)
    assert twice.outcome == AWAY


def test_a_failed_describe_keeps_the_children_that_were_known() -> None:
    """A digest's content never changes."""
    good = answer_to(DESCRIBE, Description((CHILD,)), None, NOW, "anonymous")
    failed = answer_to(DESCRIBE, AWAY, good, LATER, "anonymous")
    assert isinstance(failed, Described)
    assert (failed.children, failed.failure, failed.checked_at) == ((CHILD,), AWAY, LATER)


def test_an_answer_to_another_question_is_not_inherited_from() -> None:
    """The cache may return either for a key."""
    described = answer_to(DESCRIBE, Description((CHILD,)), None, NOW, "anonymous")
    answer = answer_to(RESOLVE, AWAY, described, LATER, "anonymous")
    assert isinstance(answer, Answer)
    assert answer.last_digest == ""
