"""The use case on ports of the test's own: what is asked of a registry, and how often."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from imagedrift_resolver.core.description import Description
from imagedrift_resolver.core.site import Site
from imagedrift_resolver.core.url import parse_url
from imagedrift_resolver.gates import Gates
from imagedrift_resolver.service import Resolver
from imagedrift_runtime.nats.delivery import Delivery
from imagedrift_runtime.nats.errors import NotPublished
from imagedrift_runtime.nats.outcomes import Done, Outcome, Retry
from imagedrift_runtime.registries.operator_file import Registries
from imagedrift_schemas import codec, subjects
from imagedrift_schemas.v1 import AnyAnswer, Child, Describe, Found, Question, Resolve

NOW = datetime(2026, 11, 24, 6, 0, tzinfo=UTC)
DIGEST = f"sha256:{'a' * 64}"
RESOLVE = Resolve(registry="r.example", repository="a/b", tag="1", asked_at=NOW, fresh_since=NOW)
DESCRIBE = Describe(registry="r.example", repository="a/b", digest=DIGEST, asked_at=NOW)


class FullCache:
    """A cache that can be read, and takes nothing while its disk is full."""

    def __init__(self) -> None:
        self.is_full = True
        self.kept: dict[str, AnyAnswer] = {}

    async def answer(self, question: Resolve) -> Any:
        """Read."""
        return self.kept.get(subjects.answer_key(question)), 0

    async def described(self, question: Describe) -> Any:
        """Read."""
        return self.kept.get(subjects.answer_key(question)), 0

    async def keep(self, answer: Any, _revision: int) -> Any:
        """Write, or not."""
        if self.is_full:
            raise NotPublished("insufficient resources")
        self.kept[subjects.answer_key(answer)] = answer
        return answer


class World:
    """One registry that counts, its site, gates that stand open, and a clock."""

    def __init__(self) -> None:
        self.asked = 0
        self.time = NOW
        self.cache = FullCache()
        self.resolver = Resolver(
            cache=self.cache,
            sites=self,
            registries=self,
            gates=Gates(Registries(), states=self, lanes=self, now=lambda: self.time),
            now=lambda: self.time,
        )

    async def site(self, registry: str, repository: str) -> Site:
        """Know it."""
        return Site(registry=registry, api=parse_url(f"https://{registry}"))

    async def resolve(self, *_: object) -> Found:
        """Answer, and count."""
        self.asked += 1
        return Found(digest=DIGEST)

    async def describe(self, *_: object) -> Description:
        """Answer, and count."""
        self.asked += 1
        return Description((Child(platform="linux/amd64", digest=DIGEST),))

    async def read(self, *_: object) -> None:
        """Share nothing."""

    async def change(self, own: Any, change: Any) -> Any:
        """Share nothing."""
        return change(own)

    async def pause(self, *_: object) -> None:
        """Pause nothing."""

    async def deliver(self, question: Question) -> Outcome:
        """Deliver a question."""
        return await self.resolver.handle(
            Delivery(
                subject="drift.v1.lookup.other.x.y",
                payload=codec.encode(question),
                stream=subjects.STREAM_LOOKUP,
                stream_seq=1,
                deliveries=1,
                stored_at=NOW,
            )
        )


@pytest.mark.parametrize("question", [RESOLVE, DESCRIBE])
async def test_an_answer_that_could_not_be_kept_is_not_asked_for_again(question: Question) -> None:
    """P3 holds while the disk of NATS is full: the answer is kept when that takes it."""
    world = World()
    outcomes = [type(await world.deliver(question)) for _ in range(3)]
    world.cache.is_full = False
    outcomes.append(type(await world.deliver(question)))

    assert outcomes == [Retry, Retry, Retry, Done]
    assert world.asked == 1
    assert subjects.answer_key(question) in world.cache.kept


async def test_an_answer_that_could_not_be_kept_grows_old() -> None:
    """A question that wants a newer one is asked."""
    world = World()
    await world.deliver(RESOLVE)
    world.cache.is_full = False
    world.time = later = NOW + timedelta(minutes=5)
    await world.deliver(
        Resolve(registry="r.example", repository="a/b", tag="1", asked_at=later, fresh_since=later)
    )
    await world.deliver(RESOLVE)

    assert world.asked == 2
