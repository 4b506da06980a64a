"""Question → Answer: each asked once for the whole fleet.

A question is delivered to one replica. If the shared cache answers it already, nothing is asked:
that makes every redelivery free. Otherwise the registry is asked, the answer is put into the cache,
and only then is the question acknowledged; whoever dies in between leaves it to be delivered again.
An answer that the cache does not take, as its disk is full, is held here until it does: the
question comes again every few seconds, and its registry must not be asked each time.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from typing import Final, Protocol, TypeVar, overload

from imagedrift_resolver.admission import NotAdmitted
from imagedrift_resolver.core.bounded_map import Bound, BoundedMap
from imagedrift_resolver.core.credential import ANONYMOUS
from imagedrift_resolver.core.finding import (
    AnyQuestion,
    CachedAnswer,
    Finding,
    answer_to,
    failure_of,
)
from imagedrift_resolver.core.freshness import is_enough, may_inherit
from imagedrift_resolver.core.listing import Listing
from imagedrift_resolver.core.site import Site
from imagedrift_resolver.list_limiter import ListLimiter
from imagedrift_resolver.rate_limiter import RegistryLimiter
from imagedrift_runtime import metrics
from imagedrift_runtime.clock import Clock
from imagedrift_schemas import subjects
from imagedrift_schemas.v1 import (
    Answer,
    AnyAnswer,
    Child,
    Described,
    Failure,
    List,
    Listed,
    Question,
    Resolve,
)

A = TypeVar("A", bound=CachedAnswer)

MOST_HELD: Final = Bound(10_000, 32 * 1024 * 1024)
AT_ONCE: Final = 1000
"""Names of tags that are read on the event loop."""


class Cache(Protocol):
    """The answers of the whole fleet."""

    async def read(self, question: AnyQuestion) -> tuple[CachedAnswer | None, int]:
        """Return the last answer to a question, and its revision."""

    async def keep(self, answer: A, revision: int) -> A:
        """Keep an answer in place of that revision, unless a newer one is there; which is kept."""


class SiteLookup(Protocol):
    """How registries are asked."""

    async def site(self, registry: str, repository: str) -> Site | Failure:
        """Return how to ask a registry about a repository, or why it is not asked."""


class RegistryApi(Protocol):
    """The registries themselves."""

    async def ask(
        self, site: Site, question: Question, known: tuple[Child, ...], limiter: RegistryLimiter
    ) -> Finding:
        """Ask a registry. `known` are the children that an earlier description has."""

    async def list_tags(
        self, site: Site, question: List, limiter: ListLimiter
    ) -> Listing | Failure:
        """Ask a registry for the tags of a repository."""


class LimiterLookup(Protocol):
    """The limiters of the registries."""

    def of(self, site: Site) -> RegistryLimiter:
        """Return the limiter of a registry and credential."""


class Resolver:
    """Answers questions."""

    def __init__(
        self,
        *,
        cache: Cache,
        sites: SiteLookup,
        registries: RegistryApi,
        limiters: LimiterLookup,
        clock: Clock,
    ) -> None:
        self._cache = cache
        self._sites = sites
        self._registries = registries
        self._limiters = limiters
        self._clock = clock
        self._single_flight = SingleFlight()
        self._held: BoundedMap[str, CachedAnswer] = BoundedMap(MOST_HELD)

    @overload
    async def ask(self, question: Question) -> AnyAnswer: ...

    @overload
    async def ask(self, question: AnyQuestion) -> CachedAnswer: ...

    async def ask(self, question: AnyQuestion) -> CachedAnswer:
        """Answer a question from the cache, or from its registry."""
        key = subjects.answer_key(question)
        async with self._single_flight.lock(key):
            site = await self._sites.site(question.registry, question.repository)
            credential = credential_of(site)
            known, revision = await self._cache.read(question)
            began = self._clock.now()
            if known and is_enough(known, question, credential, began):
                metrics.answers.add(source="cache", outcome=_KINDS[type(known)])
                return known
            held = self._held.get(key)
            if held and is_enough(held, question, credential, began):
                return await self._keep(held, revision)
            previous = known if known and may_inherit(known, credential) else None
            finding = await self._ask_or_say_why(site, question, previous)
            metrics.answers.add(source="registry", outcome=_label(finding))
            make = partial(answer_to, question, finding, previous, began, credential)
            made = await asyncio.to_thread(make) if _is_long(finding) else make()
            return await self._keep(made, revision)

    async def _keep(self, made: CachedAnswer, revision: int) -> CachedAnswer:
        """Keep an answer in the cache, and hold it until the cache has it."""
        key = subjects.answer_key(made)
        self._held.put(key, made, len(key) + _size_of(made))
        kept = await self._cache.keep(made, revision)
        self._held.pop(key)
        return kept

    async def _ask_or_say_why(
        self, site: Site | Failure, question: AnyQuestion, previous: CachedAnswer | None
    ) -> Finding:
        """Ask a registry, or say why that cannot be."""
        if not isinstance(site, Site):
            return site
        limiter, key = self._limiters.of(site), subjects.answer_key(question)
        try:
            if isinstance(question, List):
                lists = ListLimiter(limiter, self._clock)
                async with lists.admit(key) as admission:
                    listing = await self._registries.list_tags(site, question, lists)
                    admission.outcome = failure_of(listing) or listing
                    return listing
            known = previous.children if isinstance(previous, Described) else ()
            method = "HEAD" if isinstance(question, Resolve) else "GET"
            async with limiter.admit(method, key, hosts=question.hosts) as admission:
                found = await self._registries.ask(site, question, known, limiter)
                admission.outcome = failure_of(found) or found
                return found
        except NotAdmitted as refused:
            return refused.failure


class SingleFlight:
    """Lets one question at a time be asked under a key: the next one finds its answer."""

    def __init__(self) -> None:
        self._locks: dict[str, tuple[asyncio.Lock, list[None]]] = {}

    @asynccontextmanager
    async def lock(self, key: str) -> AsyncIterator[None]:
        """Wait until no other question is asked under this key."""
        lock, users = self._locks.setdefault(key, (asyncio.Lock(), []))
        users.append(None)
        try:
            async with lock:
                yield
        finally:
            users.pop()
            if not users:
                del self._locks[key]


_KINDS: Final = {Answer: "answer", Described: "description", Listed: "listing"}


def _is_long(finding: Finding) -> bool:
    """Tell whether its answer takes too long for the event loop: 25 µs for each name."""
    return isinstance(finding, Listing) and finding.tags.count > AT_ONCE


def _size_of(made: CachedAnswer) -> int:
    """Return about how many bytes an answer takes."""
    match made:
        case Described(children=children):
            return 3000 + 600 * len(children)
        case Listed(tracks=tracks):
            return 3000 + sum(200 + 100 * len(track.names) for track in tracks)
        case _:
            return 3000


def credential_of(site: Site | Failure) -> str:
    """Return the name of the credential that answers are got with."""
    return site.credential.name if isinstance(site, Site) else ANONYMOUS


def _label(found: Finding) -> str:
    """Name a finding in the metrics: `description`, `listing`, `found`, or the failure's kind."""
    return type(failure_of(found) or found).__name__.lower()
