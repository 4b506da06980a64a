"""Inventories are stored by batches, whatever the database or the stream does."""

import time
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta

import msgspec

from imagedrift_ingest.core.images import HostImages
from imagedrift_ingest.core.inventories import HostName, ReceivedInventory
from imagedrift_ingest.errors import (
    DatabaseTooSlow,
    DatabaseUnavailable,
    DataRejected,
    MissingImages,
    StreamUnavailable,
)
from imagedrift_ingest.usecases.store.batches import AGAIN_S, SLOW_AGAIN_S
from imagedrift_ingest.usecases.store.inventories import StoreInventories
from imagedrift_runtime.nats.delivery import Delivery
from imagedrift_runtime.nats.outcomes import Done, Reject, Retry
from imagedrift_schemas import codec, subjects
from imagedrift_schemas.compression import compressed
from support.ingest import NOW, image, inventory
from support.storing import NoRefusals, StillClock, StillStream, store_inventories


class Hosts:
    """Keeps inventories in memory; refuses a host called `poison`, takes too long on `slow`."""

    def __init__(self, *, changed: bool = True, away: bool = False) -> None:
        self.stored: dict[HostName, HostImages] = {}
        self.batches = 0
        self.order: list[str] = []
        self._changed = changed
        self._away = away
        self.clock = StillClock()
        self.takes_s = 0.0

    async def changed(self, received: Sequence[ReceivedInventory]) -> set[HostName]:
        """Everything, or nothing."""
        if self._away:
            raise DatabaseUnavailable("away")
        return {one.name for one in received} if self._changed else set()

    async def store(
        self,
        epoch: int,
        received: Sequence[ReceivedInventory],
        images: Mapping[HostName, HostImages],
        *,
        surely_newest: bool,
    ) -> set[int]:
        """Store, unless something is wrong."""
        self.batches += 1
        self.clock.at += self.takes_s
        self.order += [one.host for one in received if one.name in images]
        if any(one.host == "poison" for one in received):
            raise DataRejected("no")
        if any(one.host.startswith("slow") for one in received):
            raise DatabaseTooSlow("30 s")
        missing = {one.name for one in received} - images.keys()
        if missing:
            raise MissingImages(missing)
        self.stored |= images
        return set()


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


class Refused(NoRefusals):
    """Keeps what is refused."""

    def __init__(self) -> None:
        self.seqs: list[int] = []

    def note_refused(self, seq: int) -> None:
        """Keep it."""
        self.seqs.append(seq)


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


def delivery(subject: str, payload: bytes, seq: int = 1) -> Delivery:
    """A message as it is delivered."""
    return Delivery(subject, payload, "S", seq, 1, NOW)


def reported(host: str, seq: int = 1) -> Delivery:
    """An inventory as it is delivered."""
    payload = codec.encode(inventory(host, [image()]))
    return delivery(subjects.inventory("fra1", host), payload, seq)


async def test_the_guilty_message_alone_is_refused() -> None:
    """P9: a rejected batch is bisected down to the one bad message."""
    hosts = Hosts()
    batch = [reported(f"web-{n}", n) for n in range(1, 50)] + [reported("poison", 50)]

    outcomes = await store_inventories(hosts).handle(batch)

    assert [type(outcome) for outcome in outcomes] == [Done] * 49 + [Reject]
    assert len(hosts.stored) == 49
    assert hosts.batches <= 12


async def test_a_database_that_is_away_acknowledges_nothing() -> None:
    """P4: without a database every message is redelivered."""
    outcomes = await store_inventories(Hosts(away=True)).handle([reported("web-1")])
    assert [type(outcome) for outcome in outcomes] == [Retry]


async def test_a_message_that_cannot_be_read_costs_itself() -> None:
    """P9: an unreadable message is refused, and the others of its batch are stored."""
    hosts = Hosts()
    bad = delivery(subjects.inventory("fra1", "web-9"), b"{", 2)
    outcomes = await store_inventories(hosts).handle([reported("web-1"), bad])
    assert [type(outcome) for outcome in outcomes] == [Done, Reject]
    assert list(hosts.stored) == [("fra1", "web-1")]


async def test_the_sequence_of_a_refused_message_is_noted() -> None:
    """The sequence of a refused message is noted in the bookmark."""
    refused = Refused()
    handler = StoreInventories(Hosts(), StillStream(), refused, StillClock())
    bad = delivery(subjects.inventory("fra1", "web-9"), b"{", 2)
    await handler.handle([reported("web-1"), bad, reported("poison", 3)])
    assert refused.seqs == [2, 3]


async def test_images_are_read_when_a_host_changed_meanwhile() -> None:
    """A host that another replica changed meanwhile has its images read."""
    hosts = Hosts(changed=False)
    outcomes = await store_inventories(hosts).handle([reported("web-1")])
    assert outcomes == [Done()]
    assert len(hosts.stored["fra1", "web-1"].images) == 1


async def test_one_host_that_takes_the_database_too_long_waits_and_the_others_are_stored() -> None:
    """A batch that times out is bisected, and its slow message comes much later."""
    hosts = Hosts()
    batch = [reported(host, seq) for seq, host in enumerate(("a", "b", "c", "slow", "e", "f"), 1)]

    outcomes = await store_inventories(hosts).handle(batch)

    assert [outcome for outcome in outcomes if not isinstance(outcome, Done)] == [
        Retry("30 s", SLOW_AGAIN_S)
    ]
    assert isinstance(outcomes[3], Retry)
    assert {host for _, host in hosts.stored} == {"a", "b", "c", "e", "f"}


async def test_a_database_that_is_slow_for_everybody_is_not_asked_for_each_message() -> None:
    """Of a batch that times out as a whole only one half of each size is tried."""
    hosts = Hosts()
    batch = [reported(f"slow{seq}", seq) for seq in range(1, 65)]

    outcomes = await store_inventories(hosts).handle(batch)

    assert all(isinstance(outcome, Retry) for outcome in outcomes)
    assert sum(outcome == Retry("30 s", AGAIN_S) for outcome in outcomes) == 63
    assert hosts.batches == 7, "64, 32, 16, 8, 4, 2, 1"


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


async def test_two_lives_of_a_stream_in_one_batch_are_looked_at_in_turn() -> None:
    """P5: a later inventory with a lower sequence is redelivered, not dropped."""
    hosts = Hosts()
    later = msgspec.structs.replace(reported("web-1", 3), stored_at=NOW + timedelta(seconds=1))
    batch = [reported("web-1", 9), later, reported("web-2", 4)]
    outcomes = await store_inventories(hosts).handle(batch)
    assert [type(outcome) for outcome in outcomes] == [Done, Retry, Done]


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


async def test_a_large_message_is_not_decoded_in_the_event_loop() -> None:
    """A compressed message of 8 MB with a broken text takes the loop's thread no time."""
    images = [image(f"r.io/app{n}:1", containers=("c" * 200,)) for n in range(12_000)]
    told = codec.encode(inventory("web-1", images)).replace(b'["c', rb'["\ud800c', 1)
    hosts = Hosts(changed=False)
    message = delivery(subjects.inventory("fra1", "web-1"), compressed(told))
    before = time.thread_time()

    outcomes = await store_inventories(hosts).handle([message])

    assert time.thread_time() - before < 0.1
    assert outcomes == [Done()]
    assert len(hosts.stored["fra1", "web-1"].images) == 12_000
