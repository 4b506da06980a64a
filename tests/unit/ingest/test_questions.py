"""When a question is due again, by what became of its publication."""

from datetime import timedelta

import pytest

from imagedrift_ingest.core import freshness
from imagedrift_ingest.core.freshness import FreshnessRules
from imagedrift_ingest.core.questions import (
    PublishOutcome,
    next_check_at,
    next_description_at,
)
from support.virtual_time import NOW

RULES = FreshnessRules(freshness_s=300, stretch=4)
REFUSED = freshness.due_refused(RULES, NOW) - NOW
UNANSWERED = freshness.due_unanswered(RULES, NOW) - NOW
DESCRIBED = timedelta(seconds=freshness.describe_again_s(RULES))


@pytest.mark.parametrize(
    ("outcome", "tag", "digest"),
    [
        ("asked", UNANSWERED, DESCRIBED),
        ("already_there", REFUSED, REFUSED),
        ("failed", None, None),
    ],
)
def test_a_question_is_due_again_by_what_became_of_it(
    outcome: PublishOutcome, tag: timedelta | None, digest: timedelta | None
) -> None:
    """One that could not be published stays due as before."""
    assert next_check_at(outcome, RULES, NOW) == (tag and NOW + tag)
    assert next_description_at(outcome, RULES, NOW) == (digest and NOW + digest)


def test_a_question_that_is_there_already_is_tried_soonest() -> None:
    """An answer under way may come at any moment; a digest's content never changes."""
    assert REFUSED < UNANSWERED < DESCRIBED
