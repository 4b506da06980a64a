"""Ingest's planner on a real database, without NATS."""

from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from datetime import datetime, timedelta
from typing import Any

from imagedrift_ingest.adapters.postgres import connection
from imagedrift_ingest.adapters.postgres.blocks import MOST_AT_ONCE as MOVED_AT_ONCE
from imagedrift_ingest.adapters.postgres.blocks import BlockedReferences
from imagedrift_ingest.adapters.postgres.connection import Database
from imagedrift_ingest.adapters.postgres.digest_questions import DigestQuestions
from imagedrift_ingest.adapters.postgres.hosts import HostTables
from imagedrift_ingest.adapters.postgres.questions import OF_ONE_HOST, ListQuestions, TagQuestions
from imagedrift_ingest.adapters.postgres.registries import RegistryTable
from imagedrift_ingest.core.freshness import FreshnessRules
from imagedrift_ingest.core.questions import PublishOutcome
from imagedrift_ingest.usecases import describe, plan
from imagedrift_ingest.usecases.ask import NOTED_AT_ONCE, Ask, D, DueQuestions
from imagedrift_ingest.usecases.versions import FollowVersions
from imagedrift_runtime.clock import SystemClock, now
from imagedrift_runtime.nats.delivery import Delivery
from imagedrift_runtime.nats.outcomes import Done
from imagedrift_schemas import codec, subjects
from imagedrift_schemas.v1 import (
    Described,
    List,
    Listed,
    LocalImage,
    Question,
    RegistryState,
    Resolve,
)
from support.ingest import answer, inventory
from support.storing import (
    answers_on,
    comparison_ids_on,
    database_of,
    hosts_on,
    lists_on,
    maintain_on,
    store_inventories,
    turns_on,
)

FRESHNESS = 60
LATER = timedelta(seconds=FRESHNESS + 10)
POLICY = FreshnessRules(freshness_s=FRESHNESS, stretch=4)


Publish = Callable[[Sequence[Question | List]], Awaitable[list[PublishOutcome]]]
"""Publishes questions."""


class Planned:
    """Ingest's database side without NATS: what is asked is kept in a list."""

    def __init__(self, database: Database, outstanding: int) -> None:
        self.database = database
        self.answers = answers_on(database, POLICY)
        self.registries = RegistryTable(database)
        self.lists = lists_on(database, POLICY)
        self.versions = FollowVersions(self.lists, turns_on(database), SystemClock(), 0)
        self.comparisons = comparison_ids_on(database, freshness_s=FRESHNESS)
        self.refuse: set[str] = set()
        self._seq = 0
        self._states = 0
        self._asked: list[Question | List] = []
        self.ask: Publish = self._keep
        self.restart(outstanding)
        self.use(hosts_on(database, self.comparisons))

    def use(self, hosts: HostTables) -> None:
        """Store inventories here from now on."""
        self.hosts = hosts
        self._store = store_inventories(hosts)

    def restart(
        self,
        outstanding: int,
        *,
        noted_at_once: int = NOTED_AT_ONCE,
        moved_at_once: int = MOVED_AT_ONCE,
    ) -> None:
        """Plan with nothing remembered, as another replica does."""
        blocked = BlockedReferences(self.database, POLICY, moved_at_once)
        tags = TagQuestions(self.database, blocked, POLICY, outstanding, OF_ONE_HOST)
        digests = DigestQuestions(self.database, POLICY, OF_ONE_HOST)
        self.tags = self._asking(plan.TURN, tags, noted_at_once)
        self.digests = self._asking(describe.TURN, digests, noted_at_once)
        lists = ListQuestions(self.database, POLICY)
        self.wanted_lists = self._asking("list_tags", lists, noted_at_once)

    def _asking(self, turn: str, questions: DueQuestions[D], noted_at_once: int) -> Ask[D]:
        """Make the work that asks questions of one kind."""
        turns = turns_on(self.database)
        return Ask(turn, questions, self, turns, SystemClock(), noted_at_once)

    async def has(self, host: str, *images: LocalImage) -> None:
        """A host reports."""
        await self.have([host], *images)

    async def have(self, hosts: Sequence[str], *images: LocalImage) -> None:
        """Hosts report the same, in one batch."""
        told = [(subjects.inventory("fra1", host), inventory(host, images)) for host in hosts]
        batch = [
            Delivery(subject, codec.encode(message), "S", self._seq + nth, 1, now())
            for nth, (subject, message) in enumerate(told, 1)
        ]
        self._seq += len(batch)
        assert await self._store.handle(batch) == [Done()] * len(batch)

    async def answered(self, reference: str, version: object = 1, **facts: Any) -> None:
        """The registry answers."""
        self._seq += 1
        message = answer(reference, version, **facts)
        stated = {reference: (self._seq, message)}
        await self.answers.store(1, stated, [], surely_newest=False, read_to=self._seq)

    async def described(self, message: Described) -> None:
        """The registry describes a digest."""
        self._seq += 1
        await self.answers.store(1, {}, [message], surely_newest=False, read_to=self._seq)

    async def listed(self, tags: Listed, seq: int = 0) -> set[int]:
        """The registry lists the tags of a repository; what is in doubt."""
        self._seq += 1
        lists = {(tags.registry, tags.repository): (seq or self._seq, tags)}
        return await self.lists.store(1, lists, surely_newest=False, read_to=self._seq)

    async def follows(self) -> None:
        """Hosts are counted, and versions followed, as is done now and then."""
        await maintain_on(self.database).count_hosts()
        await self.versions.run()

    async def told(self, registry: str, credential: str = "anonymous", **facts: Any) -> None:
        """The registry says what it allows one credential."""
        self._states += 1
        state = RegistryState(registry=registry, credential=credential, observed_at=now(), **facts)
        await self.registries.store(1, [(self._states, state)], surely_newest=False)

    async def asks(self, at: datetime | None = None) -> list[Question]:
        """The questions that the planner asks at a moment, but for those for tags."""
        self._asked = []
        for kind in (self.tags, self.digests, self.wanted_lists):
            await kind.ask_due(at or now())
        return [question for question in self._asked if not isinstance(question, List)]

    async def lists_asked(self, at: datetime | None = None) -> list[List]:
        """The questions for tags that the planner asks at a moment."""
        await self.asks(at)
        return [question for question in self._asked if isinstance(question, List)]

    async def publish(self, questions: Sequence[Question | List]) -> list[PublishOutcome]:
        """Publish as `ask` does, which a test may set."""
        return await self.ask(questions)

    async def _keep(self, questions: Sequence[Question | List]) -> list[PublishOutcome]:
        """Keep questions; those that are refused are in the stream already."""
        self._asked.extend(questions)
        return ["already_there" if name(q) in self.refuse else "asked" for q in questions]

    async def names(self, at: datetime | None = None) -> list[str]:
        """The tags that it asks about."""
        return [name(question) for question in await self.asks(at) if isinstance(question, Resolve)]


def name(question: Question | List) -> str:
    """The reference or repository that a question is about."""
    if isinstance(question, List):
        return f"{question.registry}/{question.repository}"
    if isinstance(question, Resolve):
        return f"{question.registry}/{question.repository}:{question.tag}"
    return f"{question.registry}/{question.repository}@{question.digest}"


@asynccontextmanager
async def planning(dsn: str, outstanding: int) -> AsyncIterator[Planned]:
    """A planner that lets so many questions of a registry be out at a time."""
    async with connection.pool(dsn, connections=3) as pool:
        yield Planned(database_of(pool), outstanding)
