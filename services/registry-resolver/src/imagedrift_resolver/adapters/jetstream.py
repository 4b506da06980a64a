"""The shared cache, the shared budgets and the lanes, on NATS."""

from collections.abc import Callable
from datetime import datetime
from typing import Final, TypeVar, overload

from imagedrift_resolver.core.finding import AnyQuestion, CachedAnswer
from imagedrift_resolver.core.freshness import overtakes
from imagedrift_runtime.logs import get_logger
from imagedrift_runtime.nats.bus import Bus
from imagedrift_runtime.nats.errors import BusError
from imagedrift_runtime.nats.key_value import Bucket
from imagedrift_runtime.registries.operator_file import Registries
from imagedrift_schemas import codec, subjects
from imagedrift_schemas.errors import Malformed
from imagedrift_schemas.v1 import (
    Answer,
    AnyAnswer,
    Describe,
    Described,
    List,
    Listed,
    Question,
    RegistryState,
    Resolve,
)

log = get_logger()

MOST_TRIES: Final = 8
A = TypeVar("A", bound=CachedAnswer)


class JetStreamCache:
    """Answers, by question. Those for tags have a bucket of their own."""

    def __init__(self, digests: Bucket, tags: Bucket, now: Callable[[], datetime]) -> None:
        self._digests = digests
        self._tags = tags
        self._now = now

    @overload
    async def read(self, question: Resolve) -> tuple[Answer | None, int]: ...

    @overload
    async def read(self, question: Question) -> tuple[AnyAnswer | None, int]: ...

    @overload
    async def read(self, question: AnyQuestion) -> tuple[CachedAnswer | None, int]: ...

    async def read(self, question: AnyQuestion) -> tuple[CachedAnswer | None, int]:
        """Read the last answer to a question from the leader, and its revision."""
        key = subjects.answer_key(question)
        match question:
            case Resolve():
                return await self._read(key, Answer)
            case Describe():
                return await self._read(key, Described)
            case List():
                return await self._read(key, Listed)

    async def keep(self, answer: A, revision: int) -> A:
        """Keep an answer in place of the one of `revision`, and return the kept one.

        A replica that was held up must not put an old answer over a newer one of another replica.
        """
        key, value, kind = subjects.answer_key(answer), codec.encode(answer), type(answer)
        while await self._bucket(kind).replace(key, value, revision) is None:
            other, revision = await self._read(key, kind)
            if other and overtakes(other, answer, self._now()):
                log.info("answer.overtaken", key=key)
                return other
        return answer

    def _bucket(self, kind: type[object]) -> Bucket:
        return self._tags if kind is Listed else self._digests

    async def _read(self, key: str, kind: type[A]) -> tuple[A | None, int]:
        entry = await self._bucket(kind).get(key)
        if entry is None:
            return None, 0
        try:
            return codec.decode(entry.value, kind), entry.revision
        except Malformed as error:  # as good as none: it is replaced by the next answer
            log.warning("answer.malformed", key=key, error=str(error))
            return None, entry.revision


class JetStreamStates:
    """The states of registries, changed by compare-and-set."""

    def __init__(self, bucket: Bucket) -> None:
        self._bucket = bucket

    async def read(self, registry: str, credential: str) -> RegistryState | None:
        """Return the shared state; None when there is none, or NATS does not tell."""
        try:
            return (await self._read(subjects.registry_key(registry, credential)))[0]
        except BusError as error:
            log.warning("state.unread", registry=registry, error=str(error))
            return None

    async def change(
        self, own: RegistryState, change: Callable[[RegistryState], RegistryState]
    ) -> RegistryState | None:
        """Apply `change` until nobody interferes. None when nothing was shared."""
        key = subjects.registry_key(own.registry, own.credential)
        try:
            for _ in range(MOST_TRIES):
                shared, revision = await self._read(key)
                changed = change(shared or own)
                stored = await self._bucket.replace(key, codec.encode(changed), revision)
                if stored is not None:
                    return changed
        except BusError as error:
            log.warning("state.unshared", registry=own.registry, error=str(error))
            return None
        log.warning("state.unshared", registry=own.registry, error="too many replicas at once")
        return None

    async def _read(self, key: str) -> tuple[RegistryState | None, int]:
        entry = await self._bucket.get(key)
        if entry is None:
            return None, 0
        try:
            return codec.decode(entry.value, RegistryState), entry.revision
        except Malformed as error:
            log.warning("state.malformed", key=key, error=str(error))
            return None, entry.revision


class JetStreamQuestions:
    """The stream of questions."""

    def __init__(self, bus: Bus) -> None:
        self._bus = bus

    async def remove(self, subject: str) -> None:
        """Remove a question, so that the same one can be asked again."""
        await self._bus.purge_subject(subjects.STREAM_LOOKUP, subject)


class JetStreamLanes:
    """The consumers of the lanes, which the server can hold for all replicas at once."""

    def __init__(self, bus: Bus, registries: Registries) -> None:
        self._bus = bus
        self._registries = registries

    async def pause(self, registry: str, until: datetime) -> None:
        """Hold the lane of a registry, unless others wait in it too."""
        if not self._registries.owns_lane(registry):
            return
        lane = self._registries.lane_of(registry)
        try:
            for consumer in (subjects.lane_consumer(lane), subjects.list_consumer(lane)):
                await self._bus.pause(subjects.STREAM_LOOKUP, consumer, until)
            log.info("lane.paused", lane=lane, until=until.isoformat())
        except BusError as error:  # every replica still knows from the shared state
            log.warning("lane.unpaused", lane=lane, error=str(error))
