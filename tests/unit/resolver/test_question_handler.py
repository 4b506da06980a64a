"""The message of a question, once there is an answer."""

from datetime import timedelta

import pytest

from imagedrift_resolver.core.finding import Finding
from imagedrift_runtime.nats.outcomes import Done
from imagedrift_schemas.v1 import Limited, Question
from support.counting_registry import DESCRIBE, NOW, RESOLVE, SUBJECT, CountingRegistry

pytestmark = pytest.mark.virtual_time


@pytest.mark.parametrize("question", [RESOLVE, DESCRIBE])
@pytest.mark.parametrize(
    ("finding", "removed"),
    [
        (Limited(reason="crowded", until=NOW + timedelta(seconds=2)), [SUBJECT]),
        (Limited(reason="429", until=NOW + timedelta(hours=1)), []),
        (Limited(reason="429"), []),
        (None, []),
    ],
)
async def test_a_question_that_is_put_off_for_seconds_leaves_its_stream(
    question: Question, finding: Finding | None, removed: list[str]
) -> None:
    """A question that is put off for seconds frees its subject."""
    registry = CountingRegistry()
    registry.cache.is_full = False
    registry.finding = finding
    assert await registry.deliver(question) == Done()
    assert registry.removed == removed
