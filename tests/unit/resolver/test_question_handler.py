"""The message of a question, once there is an answer."""

from datetime import timedelta

import pytest
from msgspec.structs import replace

from imagedrift_resolver.core.finding import AnyQuestion, Finding
from imagedrift_runtime.nats.delivery import Delivery
from imagedrift_runtime.nats.outcomes import Done, Reject
from imagedrift_schemas import codec, subjects
from imagedrift_schemas.v1 import Limited
from support.counting_registry import DESCRIBE, LIST, NOW, RESOLVE, SUBJECT, CountingRegistry

NO_REPOSITORY = codec.encode(replace(LIST, repository="a/b:1"))

pytestmark = pytest.mark.virtual_time


@pytest.mark.parametrize("question", [RESOLVE, DESCRIBE, LIST])
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
    question: AnyQuestion, finding: Finding | None, removed: list[str]
) -> None:
    """A question that is put off for seconds frees its subject."""
    registry = CountingRegistry()
    registry.cache.is_full = False
    registry.finding = finding
    assert await registry.deliver(question) == Done()
    assert registry.removed == removed


@pytest.mark.parametrize(
    ("payload", "reason"), [(b"{", "malformed"), (NO_REPOSITORY, "bad_reference")]
)
async def test_a_bad_question_for_tags_is_refused(payload: bytes, reason: str) -> None:
    """A question that is none, or names no repository, becomes a dead letter."""
    registry = CountingRegistry()

    refused = await registry.handler.handle_list(
        Delivery(SUBJECT, payload, subjects.STREAM_LOOKUP, 1, 1, NOW)
    )

    assert isinstance(refused, Reject)
    assert refused.reason == reason
    assert registry.asked == 0
