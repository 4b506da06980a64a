"""Batches: halved down to the guilty message, and tried again later when a server is away."""

from datetime import timedelta

import msgspec

from imagedrift_ingest.usecases.store.batches import AGAIN_S, SLOW_AGAIN_S
from imagedrift_ingest.usecases.store.inventories import StoreInventories
from imagedrift_runtime.nats.outcomes import Done, Reject, Retry
from imagedrift_schemas import subjects
from support.ingest import NOW
from support.inventory_store import Hosts, delivery, reported
from support.storing import NoRefusals, StillStream, store_inventories
from support.virtual_time import StillClock


class Refused(NoRefusals):
    """Keeps what is refused."""

    def __init__(self) -> None:
        self.seqs: list[int] = []

    def note_refused(self, seq: int) -> None:
        """Keep it."""
        self.seqs.append(seq)


async def test_the_guilty_message_alone_is_refused() -> None:
    """P9: a rejected batch is bisected down to the one bad message."""
    hosts = Hosts()
    batch = [reported(f"web-{n}", n) for n in range(1, 50)] + [reported("refused", 50)]

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
    await handler.handle([reported("web-1"), bad, reported("refused", 3)])
    assert refused.seqs == [2, 3]


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


async def test_two_lives_of_a_stream_in_one_batch_are_looked_at_in_turn() -> None:
    """P5: a later inventory with a lower sequence is redelivered, not dropped."""
    hosts = Hosts()
    later = msgspec.structs.replace(reported("web-1", 3), stored_at=NOW + timedelta(seconds=1))
    batch = [reported("web-1", 9), later, reported("web-2", 4)]
    outcomes = await store_inventories(hosts).handle(batch)
    assert [type(outcome) for outcome in outcomes] == [Done, Retry, Done]
