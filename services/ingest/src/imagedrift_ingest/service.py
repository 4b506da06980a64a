"""Ingest: Inventory and Answer become facts, Comparisons and Questions.

Rules:
- A message is acknowledged when its transaction is committed, never before (P4).
- A batch that the database refuses is halved until the guilty message is alone: that one becomes
  a dead letter, the others are stored (P9). An image that cannot be stored costs not even its host.
- A database that is away means "again later" for the whole batch. One that works for too long on a
  batch gets halves of it; a single message that takes too long waits longer than the others.
- What seems older only because its stream went back is no loss: the stream tells (`core.order`).
- A large inventory that is new is stored alone, after the others of its batch, and a host that
  sends one after the other waits in between (`core.pacing`).
"""

import asyncio
import time
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from datetime import datetime
from typing import Protocol, TypeAlias, TypeVar

from imagedrift_ingest.core import incoming, inventories, order
from imagedrift_ingest.core.images import HostImages, Keys, Reading, images_of
from imagedrift_ingest.core.inventories import HostName, Said
from imagedrift_ingest.core.pacing import Pacing
from imagedrift_runtime.nats.delivery import Delivery
from imagedrift_runtime.nats.outcomes import Done, Outcome, Reject, Retry
from imagedrift_schemas import codec, subjects
from imagedrift_schemas.errors import SchemaError
from imagedrift_schemas.v1 import (
    Answer,
    AnyAnswer,
    DeadLetter,
    Described,
    RegistryState,
)

T = TypeVar("T")

AGAIN_S = 5.0
SLOW_AGAIN_S = 300.0
FEW_BYTES = 512 * 1024
"""Of images: some ten milliseconds of reading."""
LARGE_BYTES = 64 * 1024
"""Of images: some two hundred."""
WENT_BACK = "its stream went back: it waits until what seems newer is stored"


class ImagesNeeded(Exception):
    """Hosts changed while their images were not being read: read them and try again."""

    def __init__(self, hosts: Collection[HostName]) -> None:
        super().__init__(f"images needed of {len(hosts)} hosts")
        self.hosts = frozenset(hosts)


class Poisonous(Exception):
    """The database refuses something in the batch, and always will."""


class Away(Exception):
    """The database does not work now."""


class TooSlow(Away):
    """The database did not finish in the time that a statement has."""


class Hosts(Protocol):
    """Where inventories are kept. Raises `Poisonous` and `Away`."""

    async def changed(self, said: Sequence[Said]) -> set[HostName]:
        """Tell whose images have to be read."""

    async def remember(
        self,
        epoch: int,
        said: Sequence[Said],
        images: Mapping[HostName, HostImages],
        *,
        surely_newest: bool = False,
    ) -> set[int]:
        """Store what hosts said; the sequences of those in doubt. Raises `ImagesNeeded` too."""


class Answers(Protocol):
    """Where answers are kept. Raises `Poisonous` and `Away`."""

    async def learn(
        self,
        epoch: int,
        answers: Mapping[str, tuple[int, Answer]],
        described: Sequence[Described],
        *,
        surely_newest: bool = False,
        upto: int = 0,
    ) -> set[int]:
        """Store answers by canonical reference, and descriptions; which answers are in doubt.

        `upto`: the last sequence of what was read for it.
        """

    async def forget(self, references: Sequence[str]) -> None:
        """Make references due whose cached answer somebody dropped."""

    async def registries(
        self,
        epoch: int,
        states: Sequence[tuple[int, RegistryState]],
        *,
        surely_newest: bool = False,
    ) -> set[int]:
        """Store what registries allow; which states are in doubt."""

    async def bury(self, epoch: int, letters: Sequence[tuple[int, DeadLetter]]) -> None:
        """Store refused messages."""


Epoch: TypeAlias = Callable[[str], Awaitable[int]]
"""Tells when a stream was created: sequences of different streams are not compared."""

IsNewest: TypeAlias = Callable[[str, str, int, datetime], Awaitable[bool]]
"""Tells of (stream, subject, sequence, moment) whether it is the subject's newest message.

Afterwards the stream's epoch is one that was looked up anew. Raises `Away`.
"""


class Learn(Protocol):
    """Stores a batch, and tells the sequences of what is in doubt."""

    async def __call__(self, batch: Sequence[Delivery], *, surely_newest: bool) -> set[int]:
        """Store."""


class Ingest:
    """What is done with each kind of message. Every method is a handler of batches."""

    def __init__(
        self,
        hosts: Hosts,
        answers: Answers,
        epoch: Epoch,
        is_newest: IsNewest | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._hosts = hosts
        self._answers = answers
        self._epoch = epoch
        self._is_newest = is_newest
        self._clock = clock
        self._keys = Keys()
        self._pacing = Pacing()

    async def inventories(self, deliveries: Sequence[Delivery]) -> Sequence[Outcome]:
        """Store inventories: the newest of each host, images only where they changed."""
        return await _one_life(deliveries, self._inventories)

    async def _inventories(self, deliveries: Sequence[Delivery]) -> Sequence[Outcome]:
        read = [_read(delivery) for delivery in deliveries]
        newest = inventories.newest(r for r in read if isinstance(r, Said))
        fates = await self._remember(deliveries[0].stream, newest)
        return [
            r if isinstance(r, Reject) else fates.get((r.site, r.host, r.seq), Done()) for r in read
        ]

    async def digests(self, deliveries: Sequence[Delivery]) -> Sequence[Outcome]:
        """Store answers and descriptions, and judge what they change."""

        async def learn(batch: Sequence[Delivery], *, surely_newest: bool) -> set[int]:
            epoch = await self._epoch(batch[0].stream)
            read = [(d, _answer(d)) for d in batch if d.payload]
            answers: dict[str, tuple[int, Answer]] = {}
            for d, said in sorted(read, key=lambda pair: pair[0].stream_seq):
                if isinstance(said, Answer):
                    answers[f"{said.registry}/{said.repository}:{said.tag}"] = (d.stream_seq, said)
            described = [said for _, said in read if isinstance(said, Described)]
            upto = max(d.stream_seq for d in batch)
            return await self._answers.learn(
                epoch, answers, described, surely_newest=surely_newest, upto=upto
            )

        async def store(batch: Sequence[Delivery]) -> None:
            await self._surely(batch, learn)
            dropped = [_reference_of(d.subject) for d in batch if not d.payload]
            if dropped:
                await self._answers.forget(dropped)

        return await _one_life(deliveries, lambda kept: _halving(kept, store))

    async def registries(self, deliveries: Sequence[Delivery]) -> Sequence[Outcome]:
        """Store what registries allow."""

        async def learn(batch: Sequence[Delivery], *, surely_newest: bool) -> set[int]:
            epoch = await self._epoch(batch[0].stream)
            kept = [d for d in batch if d.payload]
            states = [(d.stream_seq, _registry_state(d)) for d in kept]
            return await self._answers.registries(epoch, states, surely_newest=surely_newest)

        return await _one_life(
            deliveries, lambda kept: _halving(kept, lambda batch: self._surely(batch, learn))
        )

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

        async def remember(batch: Sequence[Said], *, surely_newest: bool) -> set[int]:
            epoch = await self._epoch(stream)
            wanted = await self._hosts.changed(batch)
            while True:
                reading = self._keys.reading()
                images = await _read_images(batch, wanted, reading)
                read.update(images)
                try:
                    doubted = await self._hosts.remember(
                        epoch, batch, images, surely_newest=surely_newest
                    )
                except ImagesNeeded as needed:
                    wanted |= needed.hosts
                else:
                    reading.keep()
                    return doubted

        async def store(batch: Sequence[Said]) -> None:
            doubted = await remember(batch, surely_newest=False)
            places = [
                (subjects.inventory(one.site, one.host), one.seq, one.seen_at)
                for one in batch
                if one.seq in doubted
            ]
            newest = await self._newest_of(stream, places)
            if newest:
                await remember([one for one in batch if one.seq in newest], surely_newest=True)

        large = await self._large(said)
        small = [one for one in said if one.seq not in large]
        fates = dict(zip([one.seq for one in small], await _halving(small, store), strict=True))
        fates |= {one.seq: await self._alone(one, store) for one in said if one.seq in large}
        return {
            (one.site, one.host, one.seq): _remarked(fates[one.seq], read.get((one.site, one.host)))
            for one in said
        }

    async def _large(self, said: Sequence[Said]) -> set[int]:
        """Tell the sequences of large inventories, but for those that are stored already."""
        large = [one for one in said if len(memoryview(one.envelope.images)) > LARGE_BYTES]
        try:
            new = await self._hosts.changed(large) if large else ()
        except Away:
            return {one.seq for one in large}
        return {one.seq for one in large if (one.site, one.host) in new}

    async def _alone(
        self, one: Said, store: Callable[[Sequence[Said]], Awaitable[None]]
    ) -> Outcome:
        """Store a large inventory, unless its host has to wait."""
        host, began = (one.site, one.host), self._clock()
        wait_s = self._pacing.wait_s(host, began)
        if wait_s:
            return Retry("large inventories of one host wait for each other", wait_s)
        self._pacing.begin(host)
        try:
            [fate] = await _halving([one], store)
        finally:
            self._pacing.end(host, began, self._clock())
        return fate

    async def _surely(self, batch: Sequence[Delivery], learn: Learn) -> None:
        """Store a batch, and what of it only seemed older."""
        doubted = await learn(batch, surely_newest=False)
        places = [(d.subject, d.stream_seq, d.stored_at) for d in batch if d.stream_seq in doubted]
        newest = await self._newest_of(batch[0].stream, places)
        if newest:
            await learn([d for d in batch if d.stream_seq in newest], surely_newest=True)

    async def _newest_of(
        self, stream: str, places: Sequence[tuple[str, int, datetime]]
    ) -> set[int]:
        """Ask a stream which of these are the newest of their subjects: their sequences."""
        if self._is_newest is None:
            return set()
        told = await asyncio.gather(*(self._is_newest(stream, *place) for place in places))
        return {seq for (_, seq, _), is_newest in zip(places, told, strict=True) if is_newest}


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


async def _one_life(
    deliveries: Sequence[Delivery],
    handle: Callable[[Sequence[Delivery]], Awaitable[Sequence[Outcome]]],
) -> Sequence[Outcome]:
    """Handle messages, but for those that another one of the batch only seems to replace."""
    late = order.put_off(deliveries)
    if not late:
        return await handle(deliveries)
    kept = [delivery for n, delivery in enumerate(deliveries) if n not in late]
    fates = iter(await handle(kept))
    return [Retry(WENT_BACK, AGAIN_S) if n in late else next(fates) for n in range(len(deliveries))]


async def _halving(
    batch: Sequence[T], store: Callable[[Sequence[T]], Awaitable[None]]
) -> list[Outcome]:
    """Store a batch; where it is refused, each half of it, down to the guilty message."""
    if not batch:
        return []
    try:
        await store(batch)
    except TooSlow as error:
        if len(batch) == 1:
            return [Retry(str(error), SLOW_AGAIN_S)]
        middle = len(batch) // 2
        first = await _halving(batch[:middle], store)
        if all(isinstance(fate, Retry) for fate in first):
            # Not the message is slow but the database: it is left in peace.
            return [*first, *[Retry(str(error), AGAIN_S)] * (len(batch) - middle)]
        return [*first, *await _halving(batch[middle:], store)]
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
