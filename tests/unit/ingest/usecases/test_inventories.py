"""Inventories are stored by batches, whatever the database or the stream does."""

import asyncio
import gc
import time
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime

import pytest

from imagedrift_ingest.core.images import HostImages
from imagedrift_ingest.core.inventories import HostName, ReceivedInventory
from imagedrift_ingest.errors import (
    StreamUnavailable,
)
from imagedrift_ingest.usecases.store.inventories import LARGE_BYTES
from imagedrift_runtime.nats.delivery import Delivery
from imagedrift_runtime.nats.outcomes import Done, Retry
from imagedrift_schemas import codec, subjects
from imagedrift_schemas.compression import compressed
from support.ingest import NOW, image, inventory
from support.inventory_store import Hosts, delivery, reported
from support.storing import StillStream, store_inventories


class NewestOfOneHost(StillStream):
    """A stream whose newest messages are those of `web-1`."""

    async def is_newest(self, subject: str, seq: int, stored_at: datetime) -> bool:
        """Tell by the subject and the moment."""
        return (subject, stored_at) == (subjects.inventory("fra1", "web-1"), NOW)


class SilentStream(StillStream):
    """A stream that answers no question about a message."""

    async def is_newest(self, subject: str, seq: int, stored_at: datetime) -> bool:
        """Fail."""
        raise StreamUnavailable("away")


class Doubting(Hosts):
    """Takes everything for older, until it is told that it is not."""

    async def store(
        self,
        epoch: int,
        received: Sequence[ReceivedInventory],
        images: Mapping[HostName, HostImages],
        *,
        surely_newest: bool,
    ) -> set[int]:
        """Store what is surely the newest."""
        if surely_newest:
            return await super().store(epoch, received, images, surely_newest=True)
        return {one.seq for one in received}


async def test_images_are_read_when_a_host_changed_meanwhile() -> None:
    """A host that another replica changed meanwhile has its images read."""
    hosts = Hosts(changed=False)
    outcomes = await store_inventories(hosts).handle([reported("web-1")])
    assert outcomes == [Done()]
    assert len(hosts.stored["fra1", "web-1"].images) == 1


async def test_what_only_seems_older_is_stored_when_the_stream_has_none_newer() -> None:
    """P5: an inventory that only seems older is stored when it is the stream's newest."""
    hosts = Doubting()
    ingest = store_inventories(hosts, NewestOfOneHost())
    outcomes = await ingest.handle([reported("web-1", 1), reported("web-2", 2)])
    assert outcomes == [Done(), Done()]
    assert list(hosts.stored) == [("fra1", "web-1")]


async def test_a_stream_that_cannot_be_asked_acknowledges_nothing() -> None:
    """P4: a message in doubt is redelivered when its stream does not answer."""
    outcomes = await store_inventories(Doubting(), SilentStream()).handle([reported("web-1")])
    assert [type(outcome) for outcome in outcomes] == [Retry]


def large(host: str, seq: int) -> Delivery:
    """An inventory of some hundred images."""
    images = [image(f"docker.io/{host}/app{n}:1") for n in range(400)]
    payload = codec.encode(inventory(host, images))
    return delivery(subjects.inventory("fra1", host), payload, seq)


async def test_a_large_inventory_is_stored_after_the_others_of_its_batch() -> None:
    """A large inventory is stored after the others of its batch."""
    hosts = Hosts()

    outcomes = await store_inventories(hosts).handle(
        [large("a-big", 1), reported("web-1", 2), reported("web-2", 3)]
    )

    assert outcomes == [Done()] * 3
    assert hosts.order == ["web-1", "web-2", "a-big"]


async def test_a_host_that_sends_large_inventories_waits_between_them() -> None:
    """A host's large inventories wait between them, and its small ones do not."""
    hosts = Hosts()
    hosts.takes_s = 2.0
    ingest = store_inventories(hosts, clock=hosts.clock)

    assert await ingest.handle([large("big", 1)]) == [Done()]
    hosts.clock.at = 5.0
    [outcome] = await ingest.handle([large("big", 2)])
    assert isinstance(outcome, Retry)
    assert outcome.after == 17.0
    assert await ingest.handle([reported("big", 3)]) == [Done()]
    hosts.clock.at = 22.0
    assert await ingest.handle([large("big", 4)]) == [Done()]


async def test_a_large_inventory_that_is_stored_already_does_not_wait() -> None:
    """A large inventory that is stored already does not wait."""
    ingest = store_inventories(Hosts(changed=False))
    for seq in (1, 2):
        [outcome] = await ingest.handle([large("big", seq)])
        assert outcome == Done()


@pytest.mark.parametrize("sent", [compressed, bytes])
async def test_a_large_message_is_not_decoded_in_the_event_loop(
    sent: Callable[[bytes], bytes],
) -> None:
    """A message of 8 MB with a broken text, compressed or not, takes the loop's thread no time."""
    images = [image(f"r.io/app{n}:1", containers=("c" * 200,)) for n in range(12_000)]
    told = codec.encode(inventory("web-1", images)).replace(b'["c', rb'["\ud800c', 1)
    hosts = Hosts(changed=False)
    message = delivery(subjects.inventory("fra1", "web-1"), sent(told))
    gc.disable()  # a full collection, of what other tests left, takes as long in any thread
    before = time.thread_time()
    outcomes = await store_inventories(hosts).handle([message])
    took_s = time.thread_time() - before
    gc.enable()

    assert took_s < 0.1
    assert outcomes == [Done()]
    assert len(hosts.stored["fra1", "web-1"].images) == 12_000


async def test_the_loop_has_its_turn_while_many_inventories_are_read() -> None:
    """Reading a batch of ordinary inventories leaves the loop its turns: others wait for it."""
    turns = 0

    async def take_turns() -> None:
        nonlocal turns
        while True:
            turns += 1
            await asyncio.sleep(0)

    images = [image(f"r.io/app{n}:1") for n in range(30)]
    batch = [
        delivery(
            subjects.inventory("fra1", f"web-{n}"), codec.encode(inventory(f"web-{n}", images)), n
        )
        for n in range(1, 201)
    ]
    read = sum(len(each.payload) for each in batch)
    others = asyncio.create_task(take_turns())
    outcomes = await store_inventories(Hosts(changed=True)).handle(batch)
    others.cancel()

    assert outcomes == [Done()] * len(batch)
    assert turns >= 2 * (read // LARGE_BYTES - 1)
