"""Storing the tags of repositories, as registries listed them."""

from collections.abc import Mapping, Sequence
from typing import Final, Protocol

from imagedrift_ingest.core import message_bounds
from imagedrift_ingest.usecases.store.batches import (
    OrderedStream,
    RefusalLog,
    note_refusals,
    store_in_order,
    store_newer,
)
from imagedrift_runtime.nats.delivery import Delivery
from imagedrift_runtime.nats.outcomes import Done, HandlerOutcome
from imagedrift_schemas import codec
from imagedrift_schemas.v1 import Listed

BATCH: Final = 20
"""A list takes up to some tenths of a second: a batch holds its transaction for a few seconds."""


class ListStore(Protocol):
    """Where lists are kept. Raises `DataRejected` and `DatabaseUnavailable`."""

    async def store(
        self,
        epoch: int,
        lists: Mapping[tuple[str, str], tuple[int, Listed]],
        *,
        surely_newest: bool,
        read_to: int,
    ) -> set[int]:
        """Store lists by registry and repository, and their changes of references.

        Returns the sequences of lists in doubt, which are not stored.
        """


class StoreLists:
    """The handler of the stream of tag lists."""

    def __init__(self, lists: ListStore, stream: OrderedStream, refusals: RefusalLog) -> None:
        self._lists = lists
        self._stream = stream
        self._refusals = refusals

    async def handle(self, deliveries: Sequence[Delivery]) -> Sequence[HandlerOutcome]:
        """Store lists, and compare references with them."""
        outcomes = await store_in_order(deliveries, self._store)
        note_refusals(self._refusals, deliveries, outcomes)
        return outcomes

    async def _store(self, batch: Sequence[Delivery]) -> Sequence[HandlerOutcome]:
        await store_newer(self._stream, batch, self._store_once)
        return [Done()] * len(batch)

    async def _store_once(self, batch: Sequence[Delivery], *, surely_newest: bool) -> set[int]:
        epoch = await self._stream.epoch()
        lists: dict[tuple[str, str], tuple[int, Listed]] = {}
        for delivery in sorted(batch, key=lambda each: each.stream_seq):
            if delivery.payload:  # else somebody deleted the key: the list is asked when it is due
                listed = codec.decode(delivery.payload, Listed)
                listed = message_bounds.listed(listed, delivery.stored_at)
                lists[listed.registry, listed.repository] = (delivery.stream_seq, listed)
        read_to = max(d.stream_seq for d in batch)
        return await self._lists.store(epoch, lists, surely_newest=surely_newest, read_to=read_to)
