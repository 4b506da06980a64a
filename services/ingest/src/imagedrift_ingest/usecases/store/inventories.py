"""Storing inventories: the newest of each host, and its images only where they changed.

Rules:
- An image that cannot be stored costs neither its inventory nor its host.
- Nothing large is decoded in the event loop, which has heartbeats to receive, and answers of the
  database that other batches wait for. What is small is: threads that read Python's objects hold up
  the loop for as long, and hand the interpreter over to each other at its leisure.
- A large inventory that is new is stored alone, after the others of its batch. A host that sends
  one after the other waits in between (`core.pacing`).
- Compressed ones are stored last, one at a time (`compressed`).
"""

import asyncio
from collections.abc import Callable, Collection, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Final, Protocol, TypeVar

from imagedrift_ingest.core import inventories, order
from imagedrift_ingest.core.identities import IdentityCache, IdentityReader
from imagedrift_ingest.core.images import HostImages, images_of
from imagedrift_ingest.core.inventories import HostName, ReceivedInventory
from imagedrift_ingest.core.pacing import Pacing
from imagedrift_ingest.errors import DataRejected, MissingImages, ServerUnavailable
from imagedrift_ingest.usecases.store.batches import (
    WENT_BACK,
    OrderedStream,
    RefusalLog,
    bisect,
    newest_of,
    note_refusals,
)
from imagedrift_ingest.usecases.store.compressed import HOST_WAITS, CompressedInventories
from imagedrift_runtime.clock import Clock
from imagedrift_runtime.nats.delivery import Delivery
from imagedrift_runtime.nats.outcomes import Done, HandlerOutcome, Reject, Retry
from imagedrift_schemas import subjects
from imagedrift_schemas.compression import is_compressed
from imagedrift_schemas.errors import SchemaError

T = TypeVar("T")
Read = TypeVar("Read")

LARGE_BYTES: Final = 64 * 1024
"""Of images: some two hundred, and a few milliseconds of reading; of odd ones sixty."""


class HostStore(Protocol):
    """Where inventories are kept. Raises `DataRejected` and `DatabaseUnavailable`."""

    async def changed(self, received: Sequence[ReceivedInventory]) -> set[HostName]:
        """Tell of which hosts the images have to be read."""

    async def store(
        self,
        epoch: int,
        received: Sequence[ReceivedInventory],
        images: Mapping[HostName, HostImages],
        *,
        surely_newest: bool,
    ) -> set[int]:
        """Store inventories, and return the sequences of those in doubt, which are not stored.

        Raises `MissingImages`, too.
        """


class StoreInventories:
    """The handler of the stream of inventories."""

    def __init__(
        self, hosts: HostStore, stream: OrderedStream, refusals: RefusalLog, clock: Clock
    ) -> None:
        self._hosts = hosts
        self._stream = stream
        self._refusals = refusals
        self._clock = clock
        self._identities = IdentityCache()
        self._pacing = Pacing()
        # The C library keeps freed memory for each thread: tens of megabytes for each that reads.
        self._thread = ThreadPoolExecutor(1, "compressed")
        self._compressed = CompressedInventories(self._store_compressed, self._pacing, clock)

    async def handle(self, deliveries: Sequence[Delivery]) -> Sequence[HandlerOutcome]:
        """Store inventories, the newest of each host; compressed ones after the others."""
        late = order.put_off(deliveries)
        small = {n for n, each in enumerate(deliveries) if is_compressed(each.payload)} - late
        plain = set(range(len(deliveries))) - small - late
        told: dict[int, HandlerOutcome] = dict.fromkeys(late, WENT_BACK)
        for chosen, handle in ((plain, self._handle_plain), (small, self._compressed.handle)):
            indexes = sorted(chosen)
            told |= zip(indexes, await handle([deliveries[n] for n in indexes]), strict=True)
        outcomes = [told[n] for n in range(len(deliveries))]
        note_refusals(self._refusals, deliveries, outcomes)
        return outcomes

    async def _handle_plain(self, deliveries: Sequence[Delivery]) -> list[HandlerOutcome]:
        """Store inventories that are plain JSON."""
        read = await _each(_read, deliveries, lambda each: len(each.payload))
        newest = inventories.newest(r for r in read if isinstance(r, ReceivedInventory))
        stored = await self._store_newest(newest)
        return [
            stored.get((r.name, r.seq), Done()) if isinstance(r, ReceivedInventory) else r
            for r in read
        ]

    async def _store_compressed(self, delivery: Delivery) -> HandlerOutcome:
        """Read and store one inventory."""
        read = await asyncio.get_running_loop().run_in_executor(self._thread, _read, delivery)
        if isinstance(read, Reject):
            return read
        [outcome] = await bisect([read], self._store)
        return outcome

    async def _store_newest(
        self, received: Sequence[ReceivedInventory]
    ) -> dict[tuple[HostName, int], HandlerOutcome]:
        """Store one inventory of each host, the large ones last and alone."""
        large = await self._large_and_new(received)
        ordered = [one for one in received if one.name not in large]
        outcomes = await bisect(ordered, self._store)
        for one in received:
            if one.name in large:
                ordered.append(one)
                outcomes.append(await self._store_large(one))
        return {
            (one.name, one.seq): outcome for one, outcome in zip(ordered, outcomes, strict=True)
        }

    async def _large_and_new(self, received: Sequence[ReceivedInventory]) -> set[HostName]:
        """Name the hosts of large inventories, but for those that are stored already."""
        large = [one for one in received if _size(one) > LARGE_BYTES]
        if not large:
            return set()
        try:
            return await self._hosts.changed(large)
        except (ServerUnavailable, DataRejected):
            return {one.name for one in large}

    async def _store_large(self, one: ReceivedInventory) -> HandlerOutcome:
        """Store a large inventory, unless its host has to wait."""
        if wait_s := self._pacing.wait_s(one.name, self._clock.monotonic()):
            return Retry(HOST_WAITS, wait_s)
        with self._pacing.work_on(one.name, self._clock.monotonic):
            [outcome] = await bisect([one], self._store)
        return outcome

    async def _store(self, batch: Sequence[ReceivedInventory]) -> Sequence[HandlerOutcome]:
        """Store a batch, and the part of it that only seemed older."""
        images, in_doubt = await self._store_once(batch, surely_newest=False)
        positions = [
            (subjects.inventory(one.site, one.host), one.seq, one.seen_at)
            for one in batch
            if one.seq in in_doubt
        ]
        newest = await newest_of(self._stream, positions)
        if newest:
            again = [one for one in batch if one.seq in newest]
            more, _ = await self._store_once(again, surely_newest=True)
            images |= more
        return [_stored(images.get(one.name)) for one in batch]

    async def _store_once(
        self, batch: Sequence[ReceivedInventory], *, surely_newest: bool
    ) -> tuple[dict[HostName, HostImages], set[int]]:
        """Store a batch with the images of hosts that changed.

        Returns the images that were read, and the sequences of what is in doubt.
        """
        epoch = await self._stream.epoch()
        changed = await self._hosts.changed(batch)
        while True:
            reading = self._identities.reading()
            images = await _read_images(batch, changed, reading)
            try:
                in_doubt = await self._hosts.store(
                    epoch, batch, images, surely_newest=surely_newest
                )
            except MissingImages as missing:
                changed |= missing.hosts
            else:
                reading.keep()
                return images, in_doubt


async def _each(
    work: Callable[[T], Read], items: Sequence[T], size_of: Callable[[T], int]
) -> list[Read]:
    """Read items in the loop, which has its turn between some of them; a large one beside it."""
    done: list[Read] = []
    unpaused = 0
    for item in items:
        size = size_of(item)
        if size > LARGE_BYTES:
            done.append(await asyncio.to_thread(work, item))
            continue
        if unpaused + size > LARGE_BYTES:
            await asyncio.sleep(0)
            unpaused = 0
        done.append(work(item))
        unpaused += size
    return done


def _read(delivery: Delivery) -> ReceivedInventory | Reject:
    try:
        return inventories.read(
            delivery.subject, delivery.payload, delivery.stream_seq, delivery.stored_at
        )
    except SchemaError as error:
        return Reject("malformed", str(error))


async def _read_images(
    batch: Sequence[ReceivedInventory], changed: Collection[HostName], reading: IdentityReader
) -> dict[HostName, HostImages]:
    """Read the images of hosts that changed."""

    def read(one: ReceivedInventory) -> HostImages:
        return images_of(one.envelope.images, reading, one.seen_at)

    some = [one for one in batch if one.name in changed]
    return {
        one.name: images for one, images in zip(some, await _each(read, some, _size), strict=True)
    }


def _size(one: ReceivedInventory) -> int:
    return len(memoryview(one.envelope.images))


def _stored(images: HostImages | None) -> HandlerOutcome:
    """Tell that an inventory is stored, and which of its images were refused."""
    if images is None or not images.faults:
        return Done()
    refused = images.left_out["refused"]
    return Done("images refused", f"{refused} not stored: " + "; ".join(images.faults))
