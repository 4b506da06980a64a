"""Storing the answers of registries, their limits, and dead letters."""

from collections.abc import Mapping, Sequence
from typing import Protocol

from imagedrift_ingest.core import message_bounds
from imagedrift_ingest.usecases.store.batches import (
    OrderedStream,
    RefusalLog,
    bisect,
    note_refusals,
    store_in_order,
    store_newer,
)
from imagedrift_runtime.nats.delivery import Delivery
from imagedrift_runtime.nats.outcomes import Done, HandlerOutcome, Reject
from imagedrift_schemas import codec, subjects
from imagedrift_schemas.v1 import Answer, AnyAnswer, DeadLetter, Described, RegistryState


class AnswerStore(Protocol):
    """Where answers are kept. Raises `DataRejected` and `DatabaseUnavailable`."""

    async def store(
        self,
        epoch: int,
        answers: Mapping[str, tuple[int, Answer]],
        described: Sequence[Described],
        *,
        surely_newest: bool,
        read_to: int,
    ) -> set[int]:
        """Store answers by canonical reference, and descriptions.

        `read_to` is the last sequence of the batch. Returns the sequences of answers in doubt,
        which are not stored.
        """

    async def make_due(self, references: Sequence[str]) -> None:
        """Make references due whose cached answer was deleted."""


class RegistryStore(Protocol):
    """The store of the limits of registries. Raises `DataRejected` and `DatabaseUnavailable`."""

    async def store(
        self, epoch: int, states: Sequence[tuple[int, RegistryState]], *, surely_newest: bool
    ) -> set[int]:
        """Store states, and return the sequences of those in doubt, which are not stored."""


class DeadLetterStore(Protocol):
    """Where refused messages are kept. Raises `DataRejected` and `DatabaseUnavailable`."""

    async def store(self, epoch: int, letters: Sequence[tuple[int, DeadLetter]]) -> None:
        """Store refused messages."""


class StoreAnswers:
    """The handler of the stream of the shared cache: answers and descriptions."""

    def __init__(self, answers: AnswerStore, stream: OrderedStream, refusals: RefusalLog) -> None:
        self._answers = answers
        self._stream = stream
        self._refusals = refusals

    async def handle(self, deliveries: Sequence[Delivery]) -> Sequence[HandlerOutcome]:
        """Store answers and descriptions, and judge the images that they change."""
        outcomes = await store_in_order(deliveries, self._store)
        note_refusals(self._refusals, deliveries, outcomes)
        return outcomes

    async def _store(self, batch: Sequence[Delivery]) -> Sequence[HandlerOutcome]:
        await store_newer(self._stream, batch, self._store_once)
        dropped = [_reference_of(d.subject) for d in batch if not d.payload]
        if dropped:
            await self._answers.make_due(dropped)
        return [Done()] * len(batch)

    async def _store_once(self, batch: Sequence[Delivery], *, surely_newest: bool) -> set[int]:
        epoch = await self._stream.epoch()
        read = [(d.stream_seq, _answer(d)) for d in batch if d.payload]
        answers: dict[str, tuple[int, Answer]] = {}
        for seq, message in sorted(read, key=lambda pair: pair[0]):
            if isinstance(message, Answer):
                reference = f"{message.registry}/{message.repository}:{message.tag}"
                answers[reference] = (seq, message)
        described = [message for _, message in read if isinstance(message, Described)]
        read_to = max(d.stream_seq for d in batch)
        return await self._answers.store(
            epoch, answers, described, surely_newest=surely_newest, read_to=read_to
        )


class StoreRegistryStates:
    """The handler of the stream of registry states, which hold their limits."""

    def __init__(self, registries: RegistryStore, stream: OrderedStream) -> None:
        self._registries = registries
        self._stream = stream

    async def handle(self, deliveries: Sequence[Delivery]) -> Sequence[HandlerOutcome]:
        """Store the limits of registries."""
        return await store_in_order(deliveries, self._store)

    async def _store(self, batch: Sequence[Delivery]) -> Sequence[HandlerOutcome]:
        await store_newer(self._stream, batch, self._store_once)
        return [Done()] * len(batch)

    async def _store_once(self, batch: Sequence[Delivery], *, surely_newest: bool) -> set[int]:
        epoch = await self._stream.epoch()
        states = [(d.stream_seq, _registry_state(d)) for d in batch if d.payload]
        return await self._registries.store(epoch, states, surely_newest=surely_newest)


class StoreDeadLetters:
    """The handler of the stream of dead letters."""

    def __init__(self, letters: DeadLetterStore, stream: OrderedStream) -> None:
        self._letters = letters
        self._stream = stream

    async def handle(self, deliveries: Sequence[Delivery]) -> Sequence[HandlerOutcome]:
        """Store refused messages. One that cannot be read is dropped: there is no further place."""
        outcomes = await bisect(deliveries, self._store)
        return [Done() if isinstance(outcome, Reject) else outcome for outcome in outcomes]

    async def _store(self, batch: Sequence[Delivery]) -> Sequence[HandlerOutcome]:
        epoch = await self._stream.epoch()
        await self._letters.store(epoch, [(d.stream_seq, _dead_letter(d)) for d in batch])
        return [Done()] * len(batch)


def _answer(delivery: Delivery) -> AnyAnswer:
    message: AnyAnswer = codec.decode(delivery.payload, AnyAnswer)
    return message_bounds.answer(message, delivery.stored_at)


def _registry_state(delivery: Delivery) -> RegistryState:
    message = codec.decode(delivery.payload, RegistryState)
    return message_bounds.registry_state(message, delivery.stored_at)


def _dead_letter(delivery: Delivery) -> DeadLetter:
    message = codec.decode(delivery.payload, DeadLetter)
    return message_bounds.dead_letter(message, delivery.stored_at)


def _reference_of(subject: str) -> str:
    """Read the reference from the subject of a value in the shared cache."""
    registry, reference = subject.split(".")[-2:]
    return f"{subjects.unescape(registry)}/{subjects.unescape(reference)}"
