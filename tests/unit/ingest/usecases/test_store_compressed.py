"""Compressed inventories cost one message's memory at a time, and hold up no other host."""

import asyncio
import tracemalloc
from collections.abc import Mapping, Sequence

from imagedrift_ingest.core.images import HostImages
from imagedrift_ingest.core.inventories import HostName, ReceivedInventory
from imagedrift_ingest.core.pacing import AT_WORK_S, REST
from imagedrift_runtime.nats.delivery import Delivery
from imagedrift_runtime.nats.outcomes import Done, Reject, Retry
from imagedrift_schemas import codec, subjects
from imagedrift_schemas.compression import compressed, is_allowed
from support.ingest import digest, image, inventory
from support.inventory_store import Hosts, delivery, reported
from support.storing import store_inventories

MIB = 1024 * 1024


class Blocked(Hosts):
    """A store that is at work on `web-1` until it is released."""

    def __init__(self) -> None:
        super().__init__()
        self.begun, self.release = asyncio.Event(), asyncio.Event()

    async def store(
        self,
        epoch: int,
        received: Sequence[ReceivedInventory],
        images: Mapping[HostName, HostImages],
        *,
        surely_newest: bool,
    ) -> set[int]:
        """Store, when it is released."""
        if any(one.host == "web-1" for one in received):
            self.begun.set()
            await self.release.wait()
        return await super().store(epoch, received, images, surely_newest=surely_newest)


def small(host: str, seq: int = 1, **facts: str) -> Delivery:
    """A compressed inventory as it is delivered."""
    payload = compressed(codec.encode(inventory(host, [image()], **facts)))
    return delivery(subjects.inventory("fra1", host), payload, seq)


def bomb(host: str, seq: int) -> Delivery:
    """An inventory of 8 MB, in as few bytes as may grow to that."""
    noise = "".join(digest(number) for number in range(10_000))
    told = codec.encode(inventory(host, [image()], degraded=noise)) + b" " * (8 * MIB)
    payload = compressed(told)
    assert is_allowed(told, payload)
    return delivery(subjects.inventory("fra1", host), payload, seq)


def cut(host: str, seq: int) -> Delivery:
    """Half of a compressed inventory."""
    whole = small(host, seq)
    return delivery(whole.subject, whole.payload[: len(whole.payload) // 2], seq)


async def test_of_one_host_in_a_batch_the_newest_alone_is_read() -> None:
    """An older compressed inventory of a batch is not read where the newest is stored."""
    hosts = Hosts()
    batch = [cut("web-1", 1), small("web-1", 3), cut("web-1", 2)]
    assert await store_inventories(hosts).handle(batch) == [Done()] * 3
    assert hosts.order == ["web-1"]


async def test_the_one_before_is_stored_where_the_newest_is_refused() -> None:
    """Where the newest compressed inventory of a host is refused, the one before is stored."""
    hosts = Hosts()
    outcomes = await store_inventories(hosts, clock=hosts.clock).handle(
        [small("web-1", 1), cut("web-1", 2)]
    )
    assert [type(outcome) for outcome in outcomes] == [Done, Reject]
    assert hosts.order == ["web-1"]


async def test_plain_inventories_of_a_batch_are_stored_first() -> None:
    """The plain inventories of a batch do not wait for a compressed one."""
    hosts = Hosts()
    batch = [small("a", 1), reported("web-1", 2), small("b", 3), reported("web-2", 4)]
    assert await store_inventories(hosts).handle(batch) == [Done()] * 4
    assert hosts.order == ["web-1", "web-2", "b", "a"]


async def test_a_compressed_inventory_of_a_waiting_host_is_not_read() -> None:
    """A host whose compressed inventory took long waits before the next one is even read."""
    hosts = Hosts()
    hosts.takes_s = 2.0
    ingest = store_inventories(hosts, clock=hosts.clock)
    assert await ingest.handle([small("web-1", 1)]) == [Done()]
    hosts.clock.at += 5.0
    [outcome] = await ingest.handle([cut("web-1", 2)])
    assert isinstance(outcome, Retry)
    assert outcome.after == 2.0 * REST - 5.0
    hosts.clock.at += outcome.after
    [outcome] = await ingest.handle([cut("web-1", 3)])
    assert isinstance(outcome, Reject)


async def test_a_batch_spends_a_bounded_time_on_compressed_inventories() -> None:
    """An inventory that its batch has no time for comes again, and is stored then."""
    hosts = Hosts()
    hosts.takes_s = 2.0
    ingest = store_inventories(hosts, clock=hosts.clock)
    batch = [small("web-1", 1), small("web-2", 2), reported("web-3", 3)]
    late, done, plain = await ingest.handle(batch)
    assert (done, plain) == (Done(), Done())
    assert isinstance(late, Retry)
    assert await ingest.handle(batch[:1]) == [Done()]


async def test_one_compressed_inventory_is_in_memory_while_others_go_on() -> None:
    """While one is stored, another one waits outside of memory, and plain ones are stored."""
    hosts = Blocked()
    ingest = store_inventories(hosts)
    async with asyncio.TaskGroup() as tasks:
        first = tasks.create_task(ingest.handle([small("web-1", 1)]))
        await hosts.begun.wait()
        batch = [cut("web-1", 2), cut("web-2", 3), reported("web-3", 4)]
        again, other, plain = await ingest.handle(batch)
        hosts.release.set()
    assert first.result() == [Done()]
    assert isinstance(again, Retry)
    assert again.after == AT_WORK_S
    assert isinstance(other, Retry)
    assert plain == Done()
    assert hosts.order == ["web-3", "web-1"]


async def test_bombs_of_many_hosts_take_the_memory_of_one() -> None:
    """Three batches of bombs at a time take no more memory than one bomb."""
    ingest = store_inventories(Hosts(changed=False))
    batches = [[bomb(f"web-{n}-{m}", n + m) for m in range(3)] for n in range(3)]
    tracemalloc.start()
    await asyncio.gather(*map(ingest.handle, batches))
    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert most < 3 * 9 * MIB
