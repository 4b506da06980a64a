"""One registry that counts its questions, and a resolver that asks it."""

from datetime import UTC, datetime
from typing import Any

from imagedrift_resolver.core.description import Description
from imagedrift_resolver.core.finding import AnyQuestion, CachedAnswer, Finding
from imagedrift_resolver.core.listing import Listing
from imagedrift_resolver.core.site import Site
from imagedrift_resolver.core.tag_list import TagList
from imagedrift_resolver.core.url import parse_url
from imagedrift_resolver.question_handler import QuestionHandler
from imagedrift_resolver.rate_limiters import RegistryLimiters
from imagedrift_resolver.service import Resolver
from imagedrift_runtime.nats.delivery import Delivery
from imagedrift_runtime.nats.errors import NotPublished
from imagedrift_runtime.nats.outcomes import HandlerOutcome
from imagedrift_runtime.registries.operator_file import Registries
from imagedrift_schemas import codec, subjects
from imagedrift_schemas.v1 import Child, Describe, Failure, Found, List, Question, Resolve
from support.shared_states import Lanes, SharedStates
from support.virtual_time import VirtualClock

SUBJECT = "drift.v1.lookup.other.x.y"

NOW = datetime(2026, 11, 24, 6, 0, tzinfo=UTC)

DIGEST = f"sha256:{'a' * 64}"

RESOLVE = Resolve(registry="r.example", repository="a/b", tag="1", asked_at=NOW, fresh_since=NOW)

DESCRIBE = Describe(registry="r.example", repository="a/b", digest=DIGEST, asked_at=NOW)

LIST = List(registry="r.example", repository="a/b", asked_at=NOW, fresh_since=NOW)


class FullCache:
    """A cache that can be read, and takes nothing while its disk is full."""

    def __init__(self) -> None:
        self.is_full = True
        self.kept: dict[str, CachedAnswer] = {}

    async def read(self, question: AnyQuestion) -> Any:
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

    async def deliver(self, question: AnyQuestion) -> HandlerOutcome:
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
