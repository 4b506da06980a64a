"""Batches, on a database that refuses or is away."""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta

import msgspec

from imagedrift_ingest.core.images import HostImages
from imagedrift_ingest.core.inventories import HostName, Said
from imagedrift_ingest.service import (
    AGAIN_S,
    SLOW_AGAIN_S,
    Away,
    ImagesNeeded,
    Ingest,
    Poisonous,
    TooSlow,
)
from imagedrift_runtime.nats.delivery import Delivery
from imagedrift_runtime.nats.outcomes import Done, Reject, Retry
from imagedrift_schemas import codec, subjects
from imagedrift_schemas.v1 import Answer, DeadLetter, Described, RegistryState
from support.ingest import NOW, answer, image, inventory


class Hosts:
    """Keeps inventories in memory; refuses a host called `poison`, takes too long on `slow`."""

    def __init__(self, *, changed: bool = True, away: bool = False) -> None:
        self.stored: dict[HostName, HostImages] = {}
        self.batches = 0
        self.order: list[str] = []
        self._changed = changed
        self._away = away

    async def changed(self, said: Sequence[Said]) -> set[HostName]:
        """Everything, or nothing."""
        if self._away:
            raise Away("away")
        return {(one.site, one.host) for one in said} if self._changed else set()

    async def remember(
        self,
        epoch: int,
        said: Sequence[Said],
        images: Mapping[HostName, HostImages],
        *,
        surely_newest: bool = False,
    ) -> set[int]:
        """Store, unless something is wrong."""
        self.batches += 1
        self.order += [one.host for one in said if (one.site, one.host) in images]
        if any(one.host == "poison" for one in said):
            raise Poisonous("no")
        if any(one.host.startswith("slow") for one in said):
            raise TooSlow("30 s")
        missing = {(one.site, one.host) for one in said} - images.keys()
        if missing:
            raise ImagesNeeded(missing)
        self.stored |= images
        return set()


class Doubting(Hosts):
    """Takes everything for older, until it is told that it is not."""

    async def remember(
        self,
        epoch: int,
        said: Sequence[Said],
        images: Mapping[HostName, HostImages],
        *,
        surely_newest: bool = False,
    ) -> set[int]:
        """Store what is surely the newest."""
        if surely_newest:
            return await super().remember(epoch, said, images)
        return {one.seq for one in said}


class Answers:
    """Keeps what it is told."""

    def __init__(self) -> None:
        self.answers: dict[str, tuple[int, Answer]] = {}
        self.forgotten: list[str] = []

    async def learn(
        self,
        epoch: int,
        answers: Mapping[str, tuple[int, Answer]],
        described: Sequence[Described],
        *,
        surely_newest: bool = False,
        upto: int = 0,
    ) -> set[int]:
        """Store."""
        self.answers |= answers
        return set()

    async def forget(self, references: Sequence[str]) -> None:
        """Store."""
        self.forgotten += references

    async def registries(
        self,
        epoch: int,
        states: Sequence[tuple[int, RegistryState]],
        *,
        surely_newest: bool = False,
    ) -> set[int]:
        """Nothing here."""
        return set()

    async def bury(self, epoch: int, letters: Sequence[tuple[int, DeadLetter]]) -> None:
        """Nothing here."""


async def epoch(stream: str) -> int:
    """Every stream was made at the same time."""
    return 1


def delivery(subject: str, payload: bytes, seq: int = 1) -> Delivery:
    """A message as it is delivered."""
    return Delivery(subject, payload, "S", seq, 1, NOW)


def reported(host: str, seq: int = 1) -> Delivery:
    """An inventory as it is delivered."""
    payload = codec.encode(inventory(host, [image()]))
    return delivery(subjects.inventory("fra1", host), payload, seq)


async def test_the_guilty_message_alone_is_refused() -> None:
    """P9: a batch that the database refuses is halved down to the one that is to blame."""
    hosts = Hosts()
    batch = [reported(f"web-{n}", n) for n in range(1, 50)] + [reported("poison", 50)]

    fates = await Ingest(hosts, Answers(), epoch).inventories(batch)

    assert [type(fate) for fate in fates] == [Done] * 49 + [Reject]
    assert len(hosts.stored) == 49
    assert hosts.batches <= 12


async def test_a_database_that_is_away_acknowledges_nothing() -> None:
    """P4: everything is delivered again."""
    fates = await Ingest(Hosts(away=True), Answers(), epoch).inventories([reported("web-1")])
    assert [type(fate) for fate in fates] == [Retry]


async def test_a_message_that_cannot_be_read_costs_itself() -> None:
    """P9: the others of its batch are stored."""
    hosts = Hosts()
    bad = delivery(subjects.inventory("fra1", "web-9"), b"{", 2)
    fates = await Ingest(hosts, Answers(), epoch).inventories([reported("web-1"), bad])
    assert [type(fate) for fate in fates] == [Done, Reject]
    assert list(hosts.stored) == [("fra1", "web-1")]


async def test_images_are_read_when_a_host_changed_meanwhile() -> None:
    """What another replica stored in between is noticed at the gate, and the images are read."""
    hosts = Hosts(changed=False)
    fates = await Ingest(hosts, Answers(), epoch).inventories([reported("web-1")])
    assert fates == [Done()]
    assert len(hosts.stored["fra1", "web-1"].images) == 1


async def test_the_newest_answer_counts_and_a_deleted_one_is_asked_again() -> None:
    """A delete in the cache is no answer: it makes the reference due."""
    answers = Answers()
    old, new = answer(version=1, checked_at=NOW), answer(version=2, checked_at=NOW)
    key = f"$KV.drift_digests.{subjects.answer_key(new)}"
    other = answer("quay.io/a/b:1")
    deleted = f"$KV.drift_digests.{subjects.answer_key(other)}"

    fates = await Ingest(Hosts(), answers, epoch).digests(
        [
            delivery(key, codec.encode(new), 9),
            delivery(key, codec.encode(old), 8),
            delivery(deleted, b"", 10),
            delivery(key, b"nonsense", 11),
        ]
    )

    assert [type(fate) for fate in fates] == [Done, Done, Done, Reject]
    assert answers.answers["docker.io/library/nginx:1.27"] == (9, new)
    assert answers.forgotten == ["quay.io/a/b:1"]


async def test_one_host_that_takes_the_database_too_long_waits_and_the_others_are_stored() -> None:
    """A batch that times out is halved; the guilty message comes again much later."""
    hosts = Hosts()
    batch = [reported(host, seq) for seq, host in enumerate(("a", "b", "c", "slow", "e", "f"), 1)]

    fates = await Ingest(hosts, Answers(), epoch).inventories(batch)

    assert [fate for fate in fates if not isinstance(fate, Done)] == [Retry("30 s", SLOW_AGAIN_S)]
    assert isinstance(fates[3], Retry)
    assert {host for _, host in hosts.stored} == {"a", "b", "c", "e", "f"}


async def test_a_database_that_is_slow_for_everybody_is_not_asked_for_each_message() -> None:
    """Of a whole batch that times out only one half of each size is tried."""
    hosts = Hosts()
    batch = [reported(f"slow{seq}", seq) for seq in range(1, 65)]

    fates = await Ingest(hosts, Answers(), epoch).inventories(batch)

    assert all(isinstance(fate, Retry) for fate in fates)
    assert sum(fate == Retry("30 s", AGAIN_S) for fate in fates) == 63
    assert hosts.batches == 7, "64, 32, 16, 8, 4, 2, 1"


async def test_what_only_seems_older_is_stored_when_the_stream_has_none_newer() -> None:
    """P5: the others of the batch, which the stream has replaced, are older."""

    async def is_newest(stream: str, subject: str, seq: int, stored_at: datetime) -> bool:
        return (stream, subject, stored_at) == ("S", subjects.inventory("fra1", "web-1"), NOW)

    hosts = Doubting()
    ingest = Ingest(hosts, Answers(), epoch, is_newest)
    fates = await ingest.inventories([reported("web-1", 1), reported("web-2", 2)])
    assert fates == [Done(), Done()]
    assert list(hosts.stored) == [("fra1", "web-1")]


async def test_a_stream_that_cannot_be_asked_acknowledges_nothing() -> None:
    """P4: what is in doubt is delivered again."""

    async def away(stream: str, subject: str, seq: int, stored_at: datetime) -> bool:
        raise Away("away")

    fates = await Ingest(Doubting(), Answers(), epoch, away).inventories([reported("web-1")])
    assert [type(fate) for fate in fates] == [Retry]


async def test_two_lives_of_a_stream_in_one_batch_are_looked_at_in_turn() -> None:
    """P5: the one said later under a lower sequence is delivered again, not dropped."""
    hosts = Hosts()
    later = msgspec.structs.replace(reported("web-1", 3), stored_at=NOW + timedelta(seconds=1))
    batch = [reported("web-1", 9), later, reported("web-2", 4)]
    fates = await Ingest(hosts, Answers(), epoch).inventories(batch)
    assert [type(fate) for fate in fates] == [Done, Retry, Done]


def large(host: str, seq: int) -> Delivery:
    """An inventory of some hundred images."""
    images = [image(f"docker.io/{host}/app{n}:1") for n in range(400)]
    payload = codec.encode(inventory(host, images))
    return delivery(subjects.inventory("fra1", host), payload, seq)


async def test_a_large_inventory_is_stored_after_the_others_of_its_batch() -> None:
    """Hosts with few images never wait for one with very many."""
    hosts = Hosts()

    fates = await Ingest(hosts, Answers(), epoch).inventories(
        [large("a-big", 1), reported("web-1", 2), reported("web-2", 3)]
    )

    assert fates == [Done()] * 3
    assert hosts.order == ["web-1", "web-2", "a-big"]


async def test_a_host_that_sends_large_inventories_waits_between_them() -> None:
    """What it says meanwhile comes again later; its small ones and other hosts do not wait."""
    hosts = Hosts()
    ingest = Ingest(hosts, Answers(), epoch, clock=iter([0.0, 2.0, 5.0, 22.0, 23.0]).__next__)

    assert await ingest.inventories([large("big", 1)]) == [Done()]
    [fate] = await ingest.inventories([large("big", 2)])
    assert isinstance(fate, Retry)
    assert fate.after == 17.0
    assert await ingest.inventories([reported("big", 3)]) == [Done()]
    assert await ingest.inventories([large("big", 4)]) == [Done()]


async def test_a_large_inventory_that_is_stored_already_does_not_wait() -> None:
    """A fleet that says again what it said costs as little as before."""
    ingest = Ingest(Hosts(changed=False), Answers(), epoch)
    for seq in (1, 2):
        [fate] = await ingest.inventories([large("big", seq)])
        assert fate == Done()
