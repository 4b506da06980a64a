"""Ingest: Inventory and Answer become facts, Comparisons and Questions.

Rules:
- A message is acknowledged when its transaction is committed, never before (P4).
- A batch that the database refuses is halved until the guilty message is alone: that one becomes
  a dead letter, the others are stored (P9). An image that cannot be stored costs not even its host.
- A database that is away means "again later" for the whole batch.
"""

import asyncio
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from typing import Protocol, TypeAlias, TypeVar

from imagedrift_ingest.core import incoming, inventories
from imagedrift_ingest.core.images import HostImages, Keys, Reading, images_of
from imagedrift_ingest.core.inventories import Said
from imagedrift_runtime.outcomes import Done, Outcome, Reject, Retry
from imagedrift_runtime.pull import Delivery
from imagedrift_schemas import codec, subjects
from imagedrift_schemas.errors import SchemaError
from imagedrift_schemas.v1 import (
    Answer,
    AnyAnswer,
    DeadLetter,
    Described,
    RegistryState,
)

HostName: TypeAlias = tuple[str, str]
T = TypeVar("T")

AGAIN_S = 5.0
FEW_BYTES = 512 * 1024
"""Of images: some ten milliseconds of reading."""


class ImagesNeeded(Exception):
    """Hosts changed while their images were not being read: read them and try again."""

    def __init__(self, hosts: Collection[HostName]) -> None:
        super().__init__(f"images needed of {len(hosts)} hosts")
        self.hosts = frozenset(hosts)


class Poisonous(Exception):
    """The database refuses something in the batch, and always will."""


class Away(Exception):
    """The database does not work now."""


class Hosts(Protocol):
    """Where inventories are kept. Raises `Poisonous` and `Away`."""

    async def changed(self, said: Sequence[Said]) -> set[HostName]:
        """Tell whose images have to be read."""

    async def remember(
        self, epoch: int, said: Sequence[Said], images: Mapping[HostName, HostImages]
    ) -> int:
        """Store what hosts said. Raises `ImagesNeeded` too."""


class Answers(Protocol):
    """Where answers are kept. Raises `Poisonous` and `Away`."""

    async def learn(
        self, epoch: int, answers: Mapping[str, tuple[int, Answer]], described: Sequence[Described]
    ) -> int:
        """Store answers by canonical reference, and descriptions."""

    async def forget(self, references: Sequence[str]) -> None:
        """Make references due whose cached answer somebody dropped."""

    async def registries(self, epoch: int, states: Sequence[tuple[int, RegistryState]]) -> None:
        """Store what registries allow."""

    async def bury(self, epoch: int, letters: Sequence[tuple[int, DeadLetter]]) -> None:
        """Store refused messages."""


Epoch: TypeAlias = Callable[[str], Awaitable[int]]
"""Tells when a stream was created: sequences of different streams are not compared."""


class Ingest:
    """What is done with each kind of message. Every method is a handler of batches."""

    def __init__(self, hosts: Hosts, answers: Answers, epoch: Epoch) -> None:
        self._hosts = hosts
        self._answers = answers
        self._epoch = epoch
        self._keys = Keys()

    async def inventories(self, deliveries: Sequence[Delivery]) -> Sequence[Outcome]:
        """Store inventories: the newest of each host, images only where they changed."""
        read = [_read(delivery) for delivery in deliveries]
        newest = inventories.newest(r for r in read if isinstance(r, Said))
        fates = await self._remember(deliveries[0].stream, newest)
        return [
            r if isinstance(r, Reject) else fates.get((r.site, r.host, r.seq), Done()) for r in read
        ]

    async def digests(self, deliveries: Sequence[Delivery]) -> Sequence[Outcome]:
        """Store answers and descriptions, and judge what they change."""

        async def store(batch: Sequence[Delivery]) -> None:
            epoch = await self._epoch(batch[0].stream)
            read = [(d, _answer(d)) for d in batch if d.payload]
            answers: dict[str, tuple[int, Answer]] = {}
            for d, said in sorted(read, key=lambda pair: pair[0].stream_seq):
                if isinstance(said, Answer):
                    answers[f"{said.registry}/{said.repository}:{said.tag}"] = (d.stream_seq, said)
            described = [said for _, said in read if isinstance(said, Described)]
            if read:
                await self._answers.learn(epoch, answers, described)
            dropped = [_reference_of(d.subject) for d in batch if not d.payload]
            if dropped:
                await self._answers.forget(dropped)

        return await _halving(deliveries, store)

    async def registries(self, deliveries: Sequence[Delivery]) -> Sequence[Outcome]:
        """Store what registries allow."""

        async def store(batch: Sequence[Delivery]) -> None:
            epoch = await self._epoch(batch[0].stream)
            kept = [d for d in batch if d.payload]
            states = [(d.stream_seq, _registry_state(d)) for d in kept]
            await self._answers.registries(epoch, states)

        return await _halving(deliveries, store)

    async def dead_letters(self, deliveries: Sequence[Delivery]) -> Sequence[Outcome]:
        """Store refused messages. One that cannot be read is dropped: it has no further grave."""

        async def store(batch: Sequence[Delivery]) -> None:
            epoch = await self._epoch(batch[0].stream)
            letters = [(d.stream_seq, _dead_letter(d)) for d in batch]
            await self._answers.bury(epoch, letters)

        fates = await _halving(deliveries, store)
        return [Done() if isinstance(fate, Reject) else fate for fate in fates]

    async def _remember(
        self, stream: str, said: Sequence[Said]
    ) -> dict[tuple[str, str, int], Outcome]:
        """Store what hosts said; the fate of each message, by host and sequence."""
        read: dict[HostName, HostImages] = {}

        async def store(batch: Sequence[Said]) -> None:
            epoch = await self._epoch(stream)
            wanted = await self._hosts.changed(batch)
            while True:
                reading = self._keys.reading()
                images = await _read_images(batch, wanted, reading)
                read.update(images)
                try:
                    await self._hosts.remember(epoch, batch, images)
                except ImagesNeeded as needed:
                    wanted |= needed.hosts
                else:
                    reading.keep()
                    return

        fates = await _halving(said, store)
        return {
            (one.site, one.host, one.seq): _remarked(fate, read.get((one.site, one.host)))
            for one, fate in zip(said, fates, strict=True)
        }


async def _read_images(
    batch: Sequence[Said], wanted: Collection[HostName], reading: Reading
) -> dict[HostName, HostImages]:
    """Read the images of hosts; many of them beside the loop, which has heartbeats to hear."""
    hosts = [one for one in batch if (one.site, one.host) in wanted]

    def read() -> dict[HostName, HostImages]:
        return {
            (one.site, one.host): images_of(one.envelope.images, reading, one.seen_at)
            for one in hosts
        }

    few = sum(len(memoryview(one.envelope.images)) for one in hosts) <= FEW_BYTES
    return read() if few else await asyncio.to_thread(read)


async def _halving(
    batch: Sequence[T], store: Callable[[Sequence[T]], Awaitable[None]]
) -> list[Outcome]:
    """Store a batch; where it is refused, each half of it, down to the guilty message."""
    if not batch:
        return []
    try:
        await store(batch)
    except Away as error:
        return [Retry(str(error), AGAIN_S)] * len(batch)
    except (Poisonous, SchemaError) as error:
        if len(batch) == 1:
            reason = "malformed" if isinstance(error, SchemaError) else "refused by the database"
            return [Reject(reason, str(error))]
        middle = len(batch) // 2
        return [*await _halving(batch[:middle], store), *await _halving(batch[middle:], store)]
    return [Done()] * len(batch)


def _remarked(fate: Outcome, read: HostImages | None) -> Outcome:
    """Tell about a stored inventory which of its images were refused."""
    if read is None or not read.faults or not isinstance(fate, Done):
        return fate
    refused = read.left_out["refused"]
    return Done("images refused", f"{refused} not stored: " + "; ".join(read.faults))


def _read(delivery: Delivery) -> Said | Reject:
    try:
        return inventories.read(
            delivery.subject, delivery.payload, delivery.stream_seq, delivery.stored_at
        )
    except SchemaError as error:
        return Reject("malformed", str(error))


def _answer(delivery: Delivery) -> AnyAnswer:
    said: AnyAnswer = codec.decode(delivery.payload, AnyAnswer)
    return incoming.answer(said, delivery.stored_at)


def _registry_state(delivery: Delivery) -> RegistryState:
    said = codec.decode(delivery.payload, RegistryState)
    return incoming.registry_state(said, delivery.stored_at)


def _dead_letter(delivery: Delivery) -> DeadLetter:
    said = codec.decode(delivery.payload, DeadLetter)
    return incoming.dead_letter(said, delivery.stored_at)


def _reference_of(subject: str) -> str:
    """Read the reference from the subject of a value in the shared cache."""
    registry, reference = subject.split(".")[-2:]
    return f"{subjects.unescape(registry)}/{subjects.unescape(reference)}"
