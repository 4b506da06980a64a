"""Ingest's planner on a real database, without NATS."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import datetime, timedelta
from typing import Any

from imagedrift_ingest.adapters.postgres import connect
from imagedrift_ingest.adapters.postgres.answers import Answers
from imagedrift_ingest.adapters.postgres.connect import Database
from imagedrift_ingest.adapters.postgres.dictionary import Dictionary
from imagedrift_ingest.adapters.postgres.hosts import Hosts
from imagedrift_ingest.adapters.postgres.questions import Questions
from imagedrift_ingest.core.freshness import Policy
from imagedrift_ingest.service import Ingest
from imagedrift_runtime.clock import now
from imagedrift_runtime.nats.delivery import Delivery
from imagedrift_runtime.nats.outcomes import Done
from imagedrift_schemas import codec, subjects
from imagedrift_schemas.v1 import LocalImage, Question, RegistryState, Resolve
from support.ingest import answer, inventory

FRESHNESS = 60
LATER = timedelta(seconds=FRESHNESS + 10)
POLICY = Policy(freshness_s=FRESHNESS, stretch=4)


class Planned:
    """Ingest's database side without NATS: what is asked is kept in a list."""

    def __init__(self, database: Database, outstanding: int) -> None:
        self.database = database
        self.answers = Answers(database, POLICY)
        self.questions = Questions(database, POLICY, outstanding)
        self.refuse: set[str] = set()
        self._seq = 0
        self._states = 0
        self.use(Hosts(database, Dictionary(database, freshness_s=FRESHNESS)))

    def use(self, hosts: Hosts) -> None:
        """Store inventories here from now on."""
        self.hosts = hosts
        self._ingest = Ingest(hosts, self.answers, self._epoch)

    async def _epoch(self, stream: str) -> int:
        return 1

    async def has(self, host: str, *images: LocalImage) -> None:
        """A host reports."""
        self._seq += 1
        payload = codec.encode(inventory(host, images))
        subject = subjects.inventory("fra1", host)
        message = Delivery(subject, payload, "S", self._seq, 1, now())
        assert await self._ingest.inventories([message]) == [Done()]

    async def answered(self, reference: str, version: object = 1, **facts: Any) -> None:
        """The registry answers."""
        self._seq += 1
        said = answer(reference, version, **facts)
        await self.answers.learn(1, {reference: (self._seq, said)}, [])

    async def told(self, registry: str, credential: str = "anonymous", **facts: Any) -> None:
        """The registry says what it allows one credential."""
        self._states += 1
        state = RegistryState(registry=registry, credential=credential, observed_at=now(), **facts)
        await self.answers.registries(1, [(self._states, state)])

    async def asks(self, at: datetime | None = None) -> list[Question]:
        """The questions that the planner asks at a moment."""
        asked: list[Question] = []

        async def ask(questions: Sequence[Question]) -> list[bool | None]:
            asked.extend(questions)
            return [name(q) not in self.refuse for q in questions]

        await self.questions.ask_due(at or now(), ask)
        return asked

    async def names(self, at: datetime | None = None) -> list[str]:
        """The tags that it asks about."""
        return [name(question) for question in await self.asks(at) if isinstance(question, Resolve)]


def name(question: Question) -> str:
    """The reference that a question is about."""
    if isinstance(question, Resolve):
        return f"{question.registry}/{question.repository}:{question.tag}"
    return f"{question.registry}/{question.repository}@{question.digest}"


@asynccontextmanager
async def planning(dsn: str, outstanding: int) -> AsyncIterator[Planned]:
    """A planner that lets so many questions of a registry be out at a time."""
    async with connect.pool(dsn, connections=3) as pool:
        yield Planned(Database(pool), outstanding)
