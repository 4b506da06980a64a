"""NATS as ingest uses it: epochs of streams, questions going out, heartbeats coming in."""

import asyncio
from collections.abc import Callable, Collection, Sequence
from datetime import datetime, timedelta

import structlog

from imagedrift_ingest.adapters.postgres.outbox import Leaving
from imagedrift_ingest.core import inventories
from imagedrift_ingest.core import lanes as core_lanes
from imagedrift_ingest.core.inventories import HostName, Sign
from imagedrift_ingest.service import Away
from imagedrift_runtime import metrics
from imagedrift_runtime.clock import now
from imagedrift_runtime.nats.bus import Bus
from imagedrift_runtime.nats.dead_letters import DeadLetterLimiter
from imagedrift_runtime.nats.errors import NoBus, NotPublished
from imagedrift_runtime.nats.results import Stored
from imagedrift_schemas import codec, subjects
from imagedrift_schemas.errors import SchemaError
from imagedrift_schemas.text import cleaned
from imagedrift_schemas.v1 import DeadLetter, Question

log = structlog.get_logger()

READ_BY_INGEST = (
    f"KV_{subjects.BUCKET_DIGESTS}",
    f"KV_{subjects.BUCKET_REGISTRIES}",
    subjects.STREAM_DEAD,
    subjects.STREAM_INVENTORY,
)
EPOCH_KEPT_S = 10.0
SAME_MOMENT = timedelta(milliseconds=1)
"""nats-py rounds one and the same moment differently where it is read from different places."""
AT_ONCE = 64
MOST_HELD = 500_000
"""Signs of so many hosts wait for the database; they will come again."""
MOST_PAYLOAD = 1024
MOST_ERROR = 500
LANES = "lanes"
"""The part of the service's health that tells of the lanes."""


class Epochs:
    """When streams were created, in microseconds; looked up again now and then.

    A stream that was deleted and made again counts from 1: without the epoch everything in it
    would look old. Until the look-up its messages carry the old epoch: then what they are is in
    doubt, and the stream is asked (`is_newest`).
    """

    def __init__(self, bus: Bus) -> None:
        self._bus = bus
        self._known: dict[str, tuple[float, int]] = {}
        self._free = asyncio.Semaphore(AT_ONCE)

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

    async def is_newest(self, stream: str, subject: str, seq: int, stored_at: datetime) -> bool:
        """Tell whether a message is the newest one of its subject in the stream.

        Asked where a sequence went back, so that the epoch is looked up anew, too.
        """
        self._known.pop(stream, None)
        async with self._free:
            try:
                newest = await self._bus.newest(stream, subject)
            except NoBus as error:
                raise Away(str(error)) from error
        # By the moment, too: a stream that went back gives a sequence to another message.
        if not newest or newest.seq != seq or abs(newest.stored_at - stored_at) > SAME_MOMENT:
            return False
        log.warning("stream.went_back", stream=stream, subject=subject, seq=seq)
        metrics.went_back.add(stream=stream)
        return True


class Consumers:
    """Ingest's consumers of its streams: what is acknowledged does not come again."""

    def __init__(self, bus: Bus, epochs: Epochs) -> None:
        self._bus = bus
        self._epochs = epochs

    async def acknowledged(self, stream: str) -> tuple[int, int]:
        """Tell the epoch of a stream, and up to which sequence it is acknowledged.

        Raises `Away`.
        """
        epoch = await self._epochs(stream)
        try:
            return epoch, (await self._bus.lag(stream, subjects.CONSUMER_INGEST)).acknowledged
        except NoBus as error:
            raise Away(str(error)) from error

    async def again(self) -> None:
        """Have every stream delivered from its start. Raises `Away`."""
        try:
            for stream in READ_BY_INGEST:
                await self._bus.reset_consumer(stream, subjects.CONSUMER_INGEST)
        except NoBus as error:
            raise Away(str(error)) from error


class LaneWatch:
    """Looks at the consumers of the lanes, and tells where one is missing, or nobody reads it."""

    def __init__(self, bus: Bus, lanes: Callable[[], Collection[str]]) -> None:
        self._bus = bus
        self._lanes = lanes
        self._known = core_lanes.Lanes()
        self._reason = ""

    def is_missing(self, lane: str) -> bool:
        """Tell whether a lane had no consumer when it was last looked at."""
        return lane in self._known.missing

    async def look(self) -> None:
        """Look, and tell. What NATS does not answer leaves what was known."""
        try:
            found = await self._bus.lags(subjects.STREAM_LOOKUP)
        except NoBus as error:
            self._tell(str(error))
            return
        before = self._known.deserted
        self._known = core_lanes.looked(self._known, self._lanes(), found)
        missing, deserted = sorted(self._known.missing), sorted(self._known.deserted)
        metrics.lanes_without_consumer.set(len(missing))
        metrics.lanes_unread.set(len(deserted))
        if deserted and self._known.deserted != before:
            log.warning("lanes.unread", lanes=deserted, error="no resolver asks for their messages")
        self._tell(
            f"no consumer for the lanes {', '.join(missing)}: run `imagedrift streams` with this "
            "registries.toml"
            if missing
            else ""
        )

    def _tell(self, reason: str) -> None:
        if reason and reason != self._reason:
            log.error("lanes.failed", error=reason)
        self._reason = reason
        if self._bus.health and reason:
            self._bus.health.failed(LANES, reason)
        elif self._bus.health:
            self._bus.health.ready(LANES)


class Asker:
    """Publishes questions, each to the lane of its registry, unless that has no consumer."""

    def __init__(
        self,
        bus: Bus,
        lane_of: Callable[[str], str],
        ttl_s: int,
        is_missing: Callable[[str], bool] = lambda _: False,
    ) -> None:
        self._bus = bus
        self._lane_of = lane_of
        self._is_missing = is_missing
        self._ttl_s = ttl_s
        self._free = asyncio.Semaphore(AT_ONCE)

    async def __call__(self, questions: Sequence[Question]) -> Sequence[bool | None]:
        """Publish; True: asked, False: the stream has that question already, None: not now."""
        return await asyncio.gather(*map(self._ask, questions))

    async def _ask(self, question: Question) -> bool | None:
        lane = self._lane_of(question.registry)
        if self._is_missing(lane):
            metrics.questions.add(outcome="failed")
            return None
        subject = subjects.lookup(lane, question)
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
    """Gathers heartbeats, the newest of each host, until they are taken."""

    def __init__(self, clock: Callable[[], datetime] = now) -> None:
        self._clock = clock
        self._signs: dict[HostName, Sign] = {}
        self._letters = DeadLetterLimiter()
        self._due: list[DeadLetter] = []

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
        """Publish the letters that are due. What cannot be published now is given up."""
        letters, self._due = self._due, []
        for letter in letters:
            try:
                await bus.publish(subjects.dead(letter.service), codec.encode(letter))
            except NotPublished as error:
                log.warning("dead_letter.failed", subject=letter.subject, error=str(error))

    def _refuse(self, subject: str, reason: str, error: str, payload: bytes) -> None:
        metrics.heartbeats_refused.add(reason=reason)
        at = self._clock()
        due = self._letters.refused(subject, reason, at)
        if due:
            letter = DeadLetter(
                service="ingest",
                subject=subject,
                reason=reason,
                error=cleaned(error, MOST_ERROR),
                received_at=at,
                payload=payload[:MOST_PAYLOAD] if due.with_payload else b"",
                times=due.times,
            )
            self._due.append(letter)

    def take(self) -> dict[HostName, Sign]:
        """Return what has come in, and start anew."""
        signs, self._signs = self._signs, {}
        return signs

    def put_back(self, signs: dict[HostName, Sign]) -> None:
        """Return what could not be stored; what came in since is newer."""
        self._signs = signs | self._signs
