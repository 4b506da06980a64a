"""The use case on ports of the test's own: what is asked of a registry, and how often."""

from datetime import timedelta

import pytest

from imagedrift_runtime.nats.outcomes import Done, Retry
from imagedrift_schemas import subjects
from imagedrift_schemas.v1 import Question, Resolve
from support.counting_registry import DESCRIBE, NOW, RESOLVE, CountingRegistry

pytestmark = pytest.mark.virtual_time


@pytest.mark.parametrize("question", [RESOLVE, DESCRIBE])
async def test_an_answer_that_could_not_be_kept_is_not_asked_for_again(question: Question) -> None:
    """P3: an answer that NATS could not store is not asked again."""
    registry = CountingRegistry()
    outcomes = [type(await registry.deliver(question)) for _ in range(3)]
    registry.cache.is_full = False
    outcomes.append(type(await registry.deliver(question)))

    assert outcomes == [Retry, Retry, Retry, Done]
    assert registry.asked == 1
    assert subjects.answer_key(question) in registry.cache.kept


async def test_an_answer_that_could_not_be_kept_grows_old() -> None:
    """An answer that NATS could not store still grows old."""
    registry = CountingRegistry()
    await registry.deliver(RESOLVE)
    registry.cache.is_full = False
    registry.clock.at = later = NOW + timedelta(minutes=5)
    await registry.deliver(
        Resolve(registry="r.example", repository="a/b", tag="1", asked_at=later, fresh_since=later)
    )
    await registry.deliver(RESOLVE)

    assert registry.asked == 2
