"""When a question is due again, by what became of its publication."""

from datetime import timedelta

import pytest

from imagedrift_ingest.core import freshness
from imagedrift_ingest.core.freshness import FreshnessRules
from imagedrift_ingest.core.questions import (
    PublishOutcome,
    next_check_at,
    next_description_at,
    next_list_at,
)
from support.virtual_time import NOW

RULES = FreshnessRules(freshness_s=300, stretch=4)
REFUSED = freshness.due_refused(RULES, NOW) - NOW
UNANSWERED = freshness.due_unanswered(RULES, NOW) - NOW
UNLISTED = freshness.list_due_unanswered(RULES, NOW) - NOW
DESCRIBED = timedelta(seconds=freshness.describe_again_s(RULES))


@pytest.mark.parametrize(
    ("outcome", "tag", "digest", "tags"),
    [
        ("asked", UNANSWERED, DESCRIBED, UNLISTED),
        ("already_there", REFUSED, REFUSED, UNLISTED),
        ("failed", None, None, timedelta(minutes=1)),
    ],
)
def test_a_question_is_due_again_by_what_became_of_it(
    outcome: PublishOutcome, tag: timedelta | None, digest: timedelta | None, tags: timedelta
) -> None:
    """One that could not be published stays due as before, or for tags is due after a minute."""
    assert next_check_at(outcome, RULES, NOW) == (tag and NOW + tag)
    assert next_description_at(outcome, RULES, NOW) == (digest and NOW + digest)
    assert next_list_at(outcome, RULES, NOW) == NOW + tags


def test_a_question_that_is_there_already_is_tried_soonest() -> None:
    """An answer under way may come at any moment; a digest's content never changes."""
    assert REFUSED < UNANSWERED < DESCRIBED
