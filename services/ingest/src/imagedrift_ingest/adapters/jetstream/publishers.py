"""Publishes for ingest: questions, changed verdicts, and dead letters of refused heartbeats."""

import asyncio
import hashlib
from collections.abc import Callable, Sequence
from typing import Final

from imagedrift_ingest.core.lanes import lists_of
from imagedrift_ingest.core.outbox import OutboxEntry
from imagedrift_ingest.core.questions import PublishOutcome
from imagedrift_runtime import metrics
from imagedrift_runtime.logs import get_logger
from imagedrift_runtime.nats.bus import Bus
from imagedrift_runtime.nats.errors import NotPublished
from imagedrift_runtime.nats.results import Stored
from imagedrift_schemas import codec, subjects
from imagedrift_schemas.v1 import DeadLetter, List, Question

log = get_logger()

PUBLISHED_AT_ONCE: Final = 64


class QuestionPublisher:
    """Publishes questions, each to the lane of its registry, unless none would deliver it there."""

    def __init__(
        self,
        bus: Bus,
        lane_of: Callable[[str], str],
        is_missing: Callable[[str], bool],
        ttl_s: int,
        list_ttl_s: int,
    ) -> None:
        self._bus = bus
        self._lane_of = lane_of
        self._is_missing = is_missing
        self._ttl_s = ttl_s
        self._list_ttl_s = list_ttl_s
        self._free = asyncio.Semaphore(PUBLISHED_AT_ONCE)

    async def publish(self, questions: Sequence[Question | List]) -> Sequence[PublishOutcome]:
        """Publish questions, and return the outcome of each."""
        return await asyncio.gather(*map(self._publish_one, questions))

    async def _publish_one(self, question: Question | List) -> PublishOutcome:
        outcome = await self._outcome(question)
        metrics.questions.add(outcome=outcome)
        return outcome

    async def _outcome(self, question: Question | List) -> PublishOutcome:
        lane = self._lane_of(question.registry)
        if self._is_missing(lists_of(lane) if isinstance(question, List) else lane):
            return "failed"
        subject, ttl_s = self._place(lane, question)
        async with self._free:
            try:
                result = await self._bus.publish(subject, codec.encode(question), ttl_s=ttl_s)
            except NotPublished as error:
                log.warning("question.failed", subject=subject, error=str(error))
                return "failed"
        return "asked" if isinstance(result, Stored) else "already_there"

    def _place(self, lane: str, question: Question | List) -> tuple[str, int]:
        """Return a question's subject, and how many seconds it keeps others out."""
        if isinstance(question, List):
            return subjects.list_question(lane, question), self._list_ttl_s
        return subjects.lookup(lane, question), self._ttl_s


class ChangePublisher:
    """Publishes changed verdicts: those of one reference in order, of several side by side."""

    def __init__(self, bus: Bus) -> None:
        self._bus = bus
        self._free = asyncio.Semaphore(PUBLISHED_AT_ONCE)

    async def publish(self, entries: Sequence[OutboxEntry]) -> list[int]:
        """Publish changes, and return the ids of those that are stored."""
        by_subject: dict[str, list[OutboxEntry]] = {}
        for entry in entries:
            change = entry.message
            tag = change.tag or change.image_id
            subject = subjects.changed(change.registry, change.repository, tag)
            by_subject.setdefault(subject, []).append(entry)
        stored = await asyncio.gather(*(self._in_order(*item) for item in by_subject.items()))
        return [change_id for ids in stored for change_id in ids]

    async def _in_order(self, subject: str, entries: Sequence[OutboxEntry]) -> list[int]:
        stored = []
        async with self._free:
            for entry in entries:
                try:
                    await self._bus.publish(
                        subject, codec.encode(entry.message), message_id=entry.message_id
                    )
                except NotPublished as error:
                    log.warning("change.kept", subject=subject, error=str(error))
                    break
                stored.append(entry.change_id)
        return stored


class DeadLetterPublisher:
    """Publishes dead letters. One that was stored already, its reply lost, is stored once."""

    def __init__(self, bus: Bus) -> None:
        self._bus = bus

    async def publish(self, letters: Sequence[DeadLetter]) -> Sequence[DeadLetter]:
        """Publish letters in order until one fails, and return those that are not stored."""
        for index, letter in enumerate(letters):
            payload = codec.encode(letter)
            once = hashlib.sha256(payload).hexdigest()
            try:
                await self._bus.publish(subjects.dead(letter.service), payload, message_id=once)
            except NotPublished as error:
                log.warning("dead_letter.kept", subject=letter.subject, error=str(error))
                return letters[index:]
        return ()
