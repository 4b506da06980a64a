"""Changes are published until none waits, and removed when NATS has stored them."""

import asyncio
from collections.abc import Sequence

from imagedrift_ingest.core.outbox import OutboxEntry
from imagedrift_ingest.usecases.announce import Announce
from imagedrift_schemas.v1 import Changed
from support.ingest import NOW, digest
from support.turns import OwnTurns


def entry(change_id: int) -> OutboxEntry:
    """A changed verdict."""
    message = Changed(
        registry="docker.io",
        repository="library/nginx",
        tag="1.27",
        platform="linux/amd64",
        image_id=digest(1),
        from_verdict="current",
        from_reason="digest_match",
        to_verdict="outdated",
        to_reason="digest_differs",
        changed_at=NOW,
        hosts=1,
        running_hosts=1,
    )
    return OutboxEntry(change_id, message)


class Outbox:
    """An outbox in memory, of which two changes are read at a time."""

    def __init__(self, count: int) -> None:
        self.entries = [entry(n) for n in range(count)]

    async def waiting(self) -> Sequence[OutboxEntry]:
        """Read the oldest."""
        return self.entries[:2]

    async def remove(self, change_ids: Sequence[int]) -> None:
        """Remove them."""
        self.entries = [each for each in self.entries if each.change_id not in change_ids]


class Publisher:
    """Publishes all but some changes."""

    def __init__(self, refused: frozenset[int] = frozenset()) -> None:
        self.published: list[int] = []
        self._refused = refused

    async def publish(self, entries: Sequence[OutboxEntry]) -> list[int]:
        """Publish."""
        stored = [each.change_id for each in entries if each.change_id not in self._refused]
        self.published += stored
        return stored


async def test_everything_that_waits_is_published_in_order() -> None:
    """The outbox is published in order, a bounded number per turn."""
    outbox, publisher, turns = Outbox(5), Publisher(), OwnTurns()
    await Announce(outbox, publisher, turns, asyncio.Event()).run()
    assert publisher.published == [0, 1, 2, 3, 4]
    assert outbox.entries == []
    assert set(turns.names) == {"announce"}


async def test_a_change_that_nats_did_not_store_stays() -> None:
    """A change that NATS did not store stays in the outbox."""
    outbox = Outbox(3)
    await Announce(outbox, Publisher(frozenset({0, 1, 2})), OwnTurns(), asyncio.Event()).run()
    assert [each.change_id for each in outbox.entries] == [0, 1, 2]


async def test_nothing_is_published_while_another_replica_does_it() -> None:
    """Nothing is published while another replica has the turn."""
    outbox, publisher, news = Outbox(3), Publisher(), asyncio.Event()
    news.set()
    await Announce(outbox, publisher, OwnTurns(is_free=False), news).run()
    assert publisher.published == []
    assert not news.is_set()
