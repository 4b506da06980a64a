"""NATS as ingest uses it: epochs of streams, questions going out, heartbeats coming in."""

import asyncio
from collections.abc import Callable, Sequence
from datetime import datetime

import structlog

from imagedrift_ingest.adapters.postgres.outbox import Leaving
from imagedrift_ingest.core import inventories
from imagedrift_ingest.core.inventories import Sign
from imagedrift_ingest.core.refusals import Refusals
from imagedrift_ingest.service import Away, HostName
from imagedrift_runtime import metrics
from imagedrift_runtime.bus import Bus, NoBus, NotPublished, Stored
from imagedrift_runtime.clock import now
from imagedrift_schemas import codec, subjects
from imagedrift_schemas.errors import SchemaError
from imagedrift_schemas.v1 import Question

log = structlog.get_logger()

EPOCH_KEPT_S = 10.0
AT_ONCE = 64
MOST_HELD = 500_000
"""Signs of so many hosts wait for the database; they will come again."""


class Epochs:
    """When streams were created, in microseconds; looked up again now and then.

    A stream that was deleted and made again counts from 1: without the epoch everything in it
    would look old. Until the look-up its messages carry the old epoch, which is harmless: what is
    refused because of that is offered again by the host's next message.
    """

    def __init__(self, bus: Bus) -> None:
        self._bus = bus
        self._known: dict[str, tuple[float, int]] = {}

    async def __call__(self, stream: str) -> int:
        """Tell the epoch of a stream."""
        clock = asyncio.get_running_loop().time()
        looked, epoch = self._known.get(stream, (0.0, 0))
        if not epoch or clock - looked > EPOCH_KEPT_S:
            try:
                created = await self._bus.created(stream)
            except NoBus as error:
                if epoch:
                    return epoch
                raise Away(str(error)) from error
            epoch = int(created.timestamp() * 1_000_000)
            self._known[stream] = (clock, epoch)
        return epoch


class Asker:
    """Publishes questions, each to the lane of its registry."""

    def __init__(self, bus: Bus, lane_of: Callable[[str], str], ttl_s: int) -> None:
        self._bus = bus
        self._lane_of = lane_of
        self._ttl_s = ttl_s
        self._free = asyncio.Semaphore(AT_ONCE)

    async def __call__(self, questions: Sequence[Question]) -> Sequence[bool | None]:
        """Publish; True: asked, False: the stream has that question already, None: not now."""
        return await asyncio.gather(*map(self._ask, questions))

    async def _ask(self, question: Question) -> bool | None:
        subject = subjects.lookup(self._lane_of(question.registry), question)
        async with self._free:
            try:
                result = await self._bus.publish(subject, codec.encode(question), ttl_s=self._ttl_s)
            except NotPublished as error:
                log.warning("question.failed", subject=subject, error=str(error))
                metrics.questions.add(outcome="failed")
                return None
        asked = isinstance(result, Stored)
        metrics.questions.add(outcome="asked" if asked else "already_there")
        return asked


class Announcer:
    """Publishes changed verdicts: those of one reference in order, of several side by side."""

    def __init__(self, bus: Bus) -> None:
        self._bus = bus
        self._free = asyncio.Semaphore(AT_ONCE)

    async def __call__(self, changes: list[Leaving]) -> list[int]:
        """Publish; the identities of those that are stored."""
        by_reference: dict[str, list[Leaving]] = {}
        for change in changes:
            about = change.message
            tag = about.tag or about.image_id
            subject = subjects.changed(about.registry, about.repository, tag)
            by_reference.setdefault(subject, []).append(change)
        stored = await asyncio.gather(*(self._in_order(*item) for item in by_reference.items()))
        return [change_id for of_reference in stored for change_id in of_reference]

    async def _in_order(self, subject: str, changes: list[Leaving]) -> list[int]:
        stored = []
        async with self._free:
            for change in changes:
                try:
                    await self._bus.publish(
                        subject, codec.encode(change.message), message_id=change.message_id
                    )
                except NotPublished as error:
                    log.warning("change.kept", subject=subject, error=str(error))
                    break
                stored.append(change.change_id)
        return stored


class Heartbeats:
    """Gathers signs of life, the newest of each host, until they are taken."""

    def __init__(self, clock: Callable[[], datetime] = now) -> None:
        self._clock = clock
        self._signs: dict[HostName, Sign] = {}
        self._refusals = Refusals("ingest")

    async def hear(self, subject: str, payload: bytes) -> None:
        """Take in one message; one that is not about its subject's host is refused (P8)."""
        try:
            name = subjects.host_of(subject)
        except SchemaError:  # it names nobody who could be told
            metrics.heartbeats_refused.add(reason="no host")
            return
        try:
            alive = inventories.alive(payload)
            sign = inventories.sign_of(alive)
        except SchemaError as error:
            self._refuse(subject, "malformed", str(error), payload)
            return
        if name != (alive.site, alive.host):
            told = f"site and host: {alive.site}/{alive.host} is not whose subject it is"
            self._refuse(subject, "another host", told, payload)
            return
        before = self._signs.get(name)
        if before is None and len(self._signs) >= MOST_HELD:
            metrics.heartbeats_refused.add(reason="too many")
            return
        self._signs[name] = sign.after(before)

    async def tell_refused(self, bus: Bus) -> None:
        """Publish a letter for each host and reason. What cannot be published now is given up."""
        for letter in self._refusals.take():
            try:
                await bus.publish(subjects.dead(letter.service), codec.encode(letter))
            except NotPublished as error:
                log.warning("dead_letter.failed", subject=letter.subject, error=str(error))

    def _refuse(self, subject: str, reason: str, error: str, payload: bytes) -> None:
        metrics.heartbeats_refused.add(reason=reason)
        self._refusals.note(subject, reason, error, payload, self._clock())

    def take(self) -> dict[HostName, Sign]:
        """Return what has come in, and start anew."""
        signs, self._signs = self._signs, {}
        return signs

    def put_back(self, signs: dict[HostName, Sign]) -> None:
        """Return what could not be stored; what came in since is newer."""
        self._signs = signs | self._signs
