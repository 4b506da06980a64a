"""The use case on ports of the test's own: what is asked of a registry, and how often."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from msgspec.structs import replace

from imagedrift_resolver.core.description import Description
from imagedrift_resolver.core.finding import Asked, Finding, Kept
from imagedrift_resolver.core.listing import Listing
from imagedrift_resolver.core.site import Site
from imagedrift_resolver.core.tag_list import TagList
from imagedrift_resolver.core.url import parse_url
from imagedrift_resolver.question_handler import QuestionHandler
from imagedrift_resolver.rate_limiters import RegistryLimiters
from imagedrift_resolver.service import Resolver
from imagedrift_runtime.nats.delivery import Delivery
from imagedrift_runtime.nats.errors import NotPublished
from imagedrift_runtime.nats.outcomes import Done, Outcome, Reject, Retry
from imagedrift_runtime.registries.operator_file import Registries
from imagedrift_schemas import codec, subjects
from imagedrift_schemas.v1 import (
    Child,
    Describe,
    Failure,
    Found,
    Limited,
    List,
    Listed,
    Question,
    Resolve,
)
from support.shared_states import Lanes, SharedStates
from support.virtual_time import VirtualClock

SUBJECT = "drift.v1.lookup.other.x.y"
NOW = datetime(2026, 11, 24, 6, 0, tzinfo=UTC)
DIGEST = f"sha256:{'a' * 64}"
RESOLVE = Resolve(registry="r.example", repository="a/b", tag="1", asked_at=NOW, fresh_since=NOW)
DESCRIBE = Describe(registry="r.example", repository="a/b", digest=DIGEST, asked_at=NOW)
LIST = List(registry="r.example", repository="a/b", asked_at=NOW, fresh_since=NOW)
NO_REPOSITORY = codec.encode(replace(LIST, repository="a/b:1"))


class FullCache:
    """A cache that can be read, and takes nothing while its disk is full."""

    def __init__(self) -> None:
        self.is_full = True
        self.kept: dict[str, Kept] = {}

    async def read(self, question: Asked) -> Any:
        """Read."""
        return self.kept.get(subjects.answer_key(question)), 0

    async def keep(self, answer: Any, _revision: int) -> Any:
        """Write, or not."""
        if self.is_full:
            raise NotPublished("insufficient resources")
        self.kept[subjects.answer_key(answer)] = answer
        return answer


class SetClock(VirtualClock):
    """A clock that the test sets."""

    at = NOW

    def now(self) -> datetime:
        """Tell the time that is set."""
        return self.at


class CountingRegistry:
    """One registry that counts its questions, and a resolver that asks it."""

    def __init__(self) -> None:
        self.asked = 0
        self.finding: Finding | None = None
        self.removed: list[str] = []
        self.clock = SetClock()
        self.cache = FullCache()
        resolver = Resolver(
            cache=self.cache,
            sites=self,
            registries=self,
            limiters=RegistryLimiters(
                Registries(), states=SharedStates(), lanes=Lanes(), clock=self.clock
            ),
            clock=self.clock,
        )
        self.handler = QuestionHandler(resolver, self)

    async def site(self, registry: str, repository: str) -> Site:
        """Know it."""
        return Site(registry=registry, api=parse_url(f"https://{registry}"))

    async def ask(self, site: Site, question: Question, *_: object) -> Finding:
        """Answer, and count."""
        self.asked += 1
        if self.finding:
            return self.finding
        if isinstance(question, Resolve):
            return Found(digest=DIGEST)
        return Description((Child(platform="linux/amd64", digest=DIGEST),))

    async def list_tags(self, *_: object) -> Listing | Failure:
        """List one tag, and count."""
        self.asked += 1
        assert not isinstance(self.finding, Found | Description)
        return self.finding or Listing(TagList().add(["1.0"], 5))

    async def remove(self, subject: str) -> None:
        """Remove a question from its stream."""
        self.removed.append(subject)

    async def deliver(self, question: Asked) -> Outcome:
        """Deliver a question."""
        is_list = isinstance(question, List)
        handle = self.handler.handle_list if is_list else self.handler.handle
        return await handle(
            Delivery(
                subject=SUBJECT,
                payload=codec.encode(question),
                stream=subjects.STREAM_LOOKUP,
                stream_seq=1,
                deliveries=1,
                stored_at=NOW,
            )
        )


pytestmark = pytest.mark.virtual_time


@pytest.mark.parametrize("question", [RESOLVE, DESCRIBE, LIST])
async def test_an_answer_that_could_not_be_kept_is_not_asked_for_again(question: Asked) -> None:
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
    question: Asked, finding: Finding | None, removed: list[str]
) -> None:
    """A question that is put off for seconds frees its subject."""
    registry = CountingRegistry()
    registry.cache.is_full = False
    registry.finding = finding
    assert await registry.deliver(question) == Done()
    assert registry.removed == removed


async def test_a_list_of_thousands_of_names_is_kept_as_a_short_one_is() -> None:
    """Long lists are read beside the event loop, and come to the same answer."""
    registry = CountingRegistry()
    registry.cache.is_full = False
    registry.finding = Listing(TagList().add([f"1.{minor}" for minor in range(3000)], 1))

    assert await registry.deliver(LIST) == Done()
    kept = registry.cache.kept[subjects.list_key(LIST)]

    assert isinstance(kept, Listed)
    assert (kept.count, kept.tracks[0].names[0]) == (3000, "1.2999")


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
