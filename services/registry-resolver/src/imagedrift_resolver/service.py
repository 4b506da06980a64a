"""Question → Answer: each asked once for the whole fleet.

A question is delivered to one replica. If the shared cache answers it already, nothing is asked:
that makes every redelivery free. Otherwise the registry is asked, the answer is put into the cache,
and only then is the question acknowledged; whoever dies in between leaves it to be delivered again.
An answer that the cache does not take, as its disk is full, is held here until it does: the
question comes again every few seconds, and its registry must not be asked each time.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import datetime, timedelta
from typing import Final, Protocol, TypeVar

import structlog

from imagedrift_resolver.bulkhead import PutOff
from imagedrift_resolver.core.answer import answer, described
from imagedrift_resolver.core.bounded_map import Bound, BoundedMap
from imagedrift_resolver.core.credential import ANONYMOUS
from imagedrift_resolver.core.description import Children, Description
from imagedrift_resolver.core.freshness import (
    is_described,
    is_fresh,
    may_inherit,
)
from imagedrift_resolver.core.policy import question_fault
from imagedrift_resolver.core.site import Site
from imagedrift_resolver.gate import Gate
from imagedrift_runtime import metrics
from imagedrift_runtime.nats.delivery import Delivery
from imagedrift_runtime.nats.errors import BusError
from imagedrift_runtime.nats.outcomes import Done, Outcome, Reject, Retry
from imagedrift_schemas import codec, subjects, v1
from imagedrift_schemas.errors import SchemaError
from imagedrift_schemas.v1 import (
    Answer,
    AnyAnswer,
    Describe,
    Described,
    Failure,
    Limited,
    Question,
    Resolve,
)

A = TypeVar("A", Answer, Described)
T = TypeVar("T")

MOST_HELD: Final = Bound(10_000, 32 * 1024 * 1024)
CROWDED: Final = (
    "too many registries in its lane do not answer, and this one has not shown that it does"
)

log = structlog.get_logger()


class Cache(Protocol):
    """The answers of the whole fleet."""

    async def answer(self, question: Resolve) -> tuple[Answer | None, int]:
        """Return what was last said about a tag, and its revision."""

    async def described(self, question: Describe) -> tuple[Described | None, int]:
        """Return what is inside a digest, and its revision."""

    async def keep(self, answer: A, revision: int) -> A:
        """Keep an answer in place of that revision, unless there is a newer one; what is kept."""


class Sites(Protocol):
    """How registries are asked."""

    async def site(self, registry: str, repository: str) -> Site | Failure:
        """Return how to ask a registry about a repository, or why it is not asked."""


class Asking(Protocol):
    """The registries themselves."""

    async def resolve(self, site: Site, question: Resolve, gate: Gate) -> v1.Outcome:
        """Find out what a tag points to."""

    async def describe(
        self, site: Site, question: Describe, known: Children, gate: Gate
    ) -> Description | Failure:
        """Find out what is inside a digest, of which the children may be known in part."""


class Gates(Protocol):
    """The gates before the registries."""

    def of(self, site: Site) -> Gate:
        """Return the gate of a registry and credential."""


class Resolver:
    """Answers questions."""

    def __init__(
        self,
        *,
        cache: Cache,
        sites: Sites,
        registries: Asking,
        gates: Gates,
        now: Callable[[], datetime],
    ) -> None:
        self._cache = cache
        self._sites = sites
        self._registries = registries
        self._gates = gates
        self._now = now
        self._flights = Flights()
        self._held: BoundedMap[str, AnyAnswer] = BoundedMap(MOST_HELD)

    async def handle(self, delivery: Delivery) -> Outcome:
        """Answer one delivered question."""
        try:
            question: Question = codec.decode(delivery.payload, Question)
        except SchemaError as error:
            return Reject("malformed", str(error))
        if fault := question_fault(question):
            return Reject("bad_reference", fault)
        try:
            await self.ask(question)
        except BusError as error:
            log.warning("cache.failed", subject=delivery.subject, error=str(error))
            return Retry("cache", 5.0)
        return Done()

    async def ask(self, question: Question) -> AnyAnswer:
        """Answer a question from the cache, or from its registry."""
        async with self._flights.alone(subjects.answer_key(question)):
            site = await self._sites.site(question.registry, question.repository)
            match question:
                case Resolve():
                    return await self._resolve(question, site)
                case Describe():
                    return await self._describe(question, site)

    async def _resolve(self, question: Resolve, site: Site | Failure) -> Answer:
        credential = credential_of(site)
        known, revision = await self._cache.answer(question)
        began = self._now()
        if known and is_fresh(known, question, credential, began):
            metrics.answers.add(source="cache", outcome="answer")
            return known
        held = self._held.get(subjects.answer_key(question))
        if isinstance(held, Answer) and is_fresh(held, question, credential, began):
            return await self._keep(held, revision)
        outcome = await self._asked(
            site, question, lambda site, gate: self._registries.resolve(site, question, gate)
        )
        metrics.answers.add(source="registry", outcome=type(outcome).__name__.lower())
        previous = known if known and may_inherit(known, credential) else None
        made = answer(question, outcome, previous, began, credential)
        return await self._keep(made, revision)

    async def _describe(self, question: Describe, site: Site | Failure) -> Described:
        credential = credential_of(site)
        known, revision = await self._cache.described(question)
        began = self._now()
        if known and is_described(known, question, credential, began):
            metrics.answers.add(source="cache", outcome="description")
            return known
        held = self._held.get(subjects.answer_key(question))
        if isinstance(held, Described) and is_described(held, question, credential, began):
            return await self._keep(held, revision)
        previous = known if known and may_inherit(known, credential) else None
        before = previous.children if previous else ()
        found = await self._asked(
            site,
            question,
            lambda site, gate: self._registries.describe(site, question, before, gate),
        )
        told = found if isinstance(found, Description) else Description(failure=found)
        kind = type(told.failure).__name__.lower() if told.failure else "description"
        metrics.answers.add(source="registry", outcome=kind)
        made = described(question, told.children, told.failure, previous, began, credential)
        return await self._keep(made, revision)

    async def _keep(self, made: A, revision: int) -> A:
        """Keep an answer in the cache, and hold it until that has it."""
        key = subjects.answer_key(made)
        children = len(getattr(made, "children", ()))
        self._held.put(key, made, 3000 + len(key) + 600 * children)
        kept = await self._cache.keep(made, revision)
        self._held.pop(key)
        return kept

    async def _asked(
        self,
        site: Site | Failure,
        question: Question,
        talk: Callable[[Site, Gate], Awaitable[T | Failure]],
    ) -> T | Failure:
        """Talk to a registry through its gate, or say why that cannot be."""
        if not isinstance(site, Site):
            return site
        gate, key = self._gates.of(site), subjects.answer_key(question)
        method = "HEAD" if isinstance(question, Resolve) else "GET"
        if refused := await gate.refusal(method):
            return refused
        told = await gate.run(
            lambda: self._through(gate, site, method, key, talk), hosts=question.hosts
        )
        if isinstance(told, PutOff):
            return Limited(reason=CROWDED, until=self._now() + timedelta(seconds=told.wait_s))
        return told

    async def _through(
        self,
        gate: Gate,
        site: Site,
        method: str,
        key: str,
        talk: Callable[[Site, Gate], Awaitable[T | Failure]],
    ) -> T | Failure:
        if refused := await gate.enter(method, key):
            return refused
        result: T | Failure | None = None
        try:
            result = await talk(site, gate)
            return result
        finally:
            told = result.failure or result if isinstance(result, Description) else result
            gate.leave(told, key)


class Flights:
    """Lets one question at a time be asked under a key: the next one finds its answer."""

    def __init__(self) -> None:
        self._flights: dict[str, tuple[asyncio.Lock, list[None]]] = {}

    @asynccontextmanager
    async def alone(self, key: str) -> AsyncIterator[None]:
        """Wait until nobody else is asking under this key."""
        lock, users = self._flights.setdefault(key, (asyncio.Lock(), []))
        users.append(None)
        try:
            async with lock:
                yield
        finally:
            users.pop()
            if not users:
                del self._flights[key]


def credential_of(site: Site | Failure) -> str:
    """Return the name of the credential that answers are got with."""
    return site.credential.name if isinstance(site, Site) else ANONYMOUS
