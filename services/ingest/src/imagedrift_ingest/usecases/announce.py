"""Announcing changed verdicts: a change is published if and only if it was committed.

Rules:
- A change is written in the transaction that makes it, and removed after NATS has stored it. A
  crash in between publishes it twice, under the same identity, and the stream keeps one.
- One replica publishes at a time, in a turn, so that changes stay in order. Nothing is locked
  meanwhile.
"""

import asyncio
from collections.abc import Sequence
from typing import Final, Protocol

from imagedrift_ingest.core.outbox import OutboxEntry
from imagedrift_ingest.turns import Turns

TURN: Final = "announce"


class ChangeOutbox(Protocol):
    """Changed verdicts that are not published yet."""

    async def waiting(self) -> Sequence[OutboxEntry]:
        """Read the oldest changes, a bounded number of them."""

    async def remove(self, change_ids: Sequence[int]) -> None:
        """Remove changes that are published."""


class ChangeStream(Protocol):
    """Where changes are published."""

    async def publish(self, entries: Sequence[OutboxEntry]) -> list[int]:
        """Publish changes, those of one reference in order, and return the ids of the stored."""


class Announce:
    """Publishes the entries of the outbox. `news` is set when verdicts have changed."""

    def __init__(
        self, outbox: ChangeOutbox, publisher: ChangeStream, turns: Turns, news: asyncio.Event
    ) -> None:
        self._outbox = outbox
        self._publisher = publisher
        self._turns = turns
        self._news = news

    async def run(self) -> None:
        """Publish until nothing waits, nothing can be published, or another replica does it."""
        self._news.clear()
        while await self._turns.run(TURN, self.publish_some):
            pass

    async def publish_some(self) -> int:
        """Publish the oldest changes, and return how many are stored."""
        entries = await self._outbox.waiting()
        stored = await self._publisher.publish(entries) if entries else []
        if stored:
            await self._outbox.remove(stored)
        return len(stored)
