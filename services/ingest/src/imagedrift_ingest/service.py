"""Ingest: Inventory and Answer become facts, Comparisons and Questions.

Rules:
- A message is acknowledged when its transaction is committed, never before (P4).
- A batch that the database refuses is halved until the guilty message is alone: that one becomes
  a dead letter, the others are stored (P9).
- A database that is away means "again later" for the whole batch.
- What seems older only because its stream went back is no loss: the stream tells (`core.order`).
"""

import asyncio
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from datetime import datetime
from typing import Protocol, TypeAlias, TypeVar

from imagedrift_ingest.core import inventories, order
from imagedrift_ingest.core.inventories import Image, Keys, Said
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


class Hosts(Protocol):
    """Where inventories are kept. Raises `Poisonous` and `Away`."""

    async def changed(self, said: Sequence[Said]) -> set[HostName]:
        """Tell whose images have to be read."""

    async def remember(
        self,
        epoch: int,
        said: Sequence[Said],
        images: Mapping[HostName, Sequence[Image]],
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
        self, hosts: Hosts, answers: Answers, epoch: Epoch, is_newest: IsNewest | None = None
    ) -> None:
        self._hosts = hosts
        self._answers = answers
        self._epoch = epoch
        self._is_newest = is_newest
        self._keys = Keys()

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
            read = [(d, codec.decode(d.payload, AnyAnswer)) for d in batch if d.payload]
            answers: dict[str, tuple[int, Answer]] = {}
            for d, said in sorted(read, key=lambda pair: pair[0].stream_seq):
                if isinstance(said, Answer):
                    answers[f"{said.registry}/{said.repository}:{said.tag}"] = (d.stream_seq, said)
            described = [said for _, said in read if isinstance(said, Described)]
            if not read:
                return set()
            return await self._answers.learn(epoch, answers, described, surely_newest=surely_newest)

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
            states = [(d.stream_seq, codec.decode(d.payload, RegistryState)) for d in kept]
            return await self._answers.registries(epoch, states, surely_newest=surely_newest)

        return await _one_life(
            deliveries, lambda kept: _halving(kept, lambda batch: self._surely(batch, learn))
        )

    async def dead_letters(self, deliveries: Sequence[Delivery]) -> Sequence[Outcome]:
        """Store refused messages. One that cannot be read is dropped: it has no further grave."""

        async def store(batch: Sequence[Delivery]) -> None:
            epoch = await self._epoch(batch[0].stream)
            letters = [(d.stream_seq, codec.decode(d.payload, DeadLetter)) for d in batch]
            await self._answers.bury(epoch, letters)

        fates = await _halving(deliveries, store)
        return [Done() if isinstance(fate, Reject) else fate for fate in fates]

    async def _remember(
        self, stream: str, said: Sequence[Said]
    ) -> dict[tuple[str, str, int], Outcome]:
        """Store what hosts said; the fate of each message, by host and sequence."""

        async def remember(batch: Sequence[Said], *, surely_newest: bool) -> set[int]:
            epoch = await self._epoch(stream)
            wanted = await self._hosts.changed(batch)
            while True:
                images = self._read_images(batch, wanted)
                try:
                    return await self._hosts.remember(
                        epoch, batch, images, surely_newest=surely_newest
                    )
                except ImagesNeeded as needed:
                    wanted |= needed.hosts

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

        fates = await _halving(said, store)
        named = [(one.site, one.host, one.seq) for one in said]
        return dict(zip(named, fates, strict=True))

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

    def _read_images(
        self, said: Sequence[Said], wanted: Collection[HostName]
    ) -> dict[HostName, list[Image]]:
        return {
            (one.site, one.host): inventories.images_of(one.envelope.images, self._keys)
            for one in said
            if (one.site, one.host) in wanted
        }


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
    except Away as error:
        return [Retry(str(error), AGAIN_S)] * len(batch)
    except (Poisonous, SchemaError) as error:
        if len(batch) == 1:
            reason = "malformed" if isinstance(error, SchemaError) else "refused by the database"
            return [Reject(reason, str(error))]
        middle = len(batch) // 2
        return [*await _halving(batch[:middle], store), *await _halving(batch[middle:], store)]
    return [Done()] * len(batch)


def _read(delivery: Delivery) -> Said | Reject:
    try:
        return inventories.read(
            delivery.subject, delivery.payload, delivery.stream_seq, delivery.stored_at
        )
    except SchemaError as error:
        return Reject("malformed", str(error))


def _reference_of(subject: str) -> str:
    """Read the reference from the subject of a value in the shared cache."""
    registry, reference = subject.split(".")[-2:]
    return f"{subjects.unescape(registry)}/{subjects.unescape(reference)}"
