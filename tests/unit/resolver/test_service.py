"""The use case on ports of the test's own: what is asked of a registry, and how often."""

from datetime import timedelta

import pytest

from imagedrift_resolver.core.finding import AnyQuestion
from imagedrift_resolver.core.listing import Listing
from imagedrift_resolver.core.tag_list import TagList
from imagedrift_runtime.nats.outcomes import Done, Retry
from imagedrift_schemas import subjects
from imagedrift_schemas.v1 import Listed, Resolve
from support.counting_registry import DESCRIBE, LIST, NOW, RESOLVE, CountingRegistry

pytestmark = pytest.mark.virtual_time


@pytest.mark.parametrize("question", [RESOLVE, DESCRIBE, LIST])
async def test_an_answer_that_could_not_be_kept_is_not_asked_for_again(
    question: AnyQuestion,
) -> None:
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


async def test_a_list_of_thousands_of_names_is_kept_as_a_short_one_is() -> None:
    """Long lists are read beside the event loop, and come to the same answer."""
    registry = CountingRegistry()
    registry.cache.is_full = False
    registry.finding = Listing(TagList().add([f"1.{minor}" for minor in range(3000)], 1))

    assert await registry.deliver(LIST) == Done()
    kept = registry.cache.kept[subjects.list_key(LIST)]

    assert isinstance(kept, Listed)
    assert (kept.count, kept.tracks[0].names[0]) == (3000, "1.2999")
