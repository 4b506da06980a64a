"""Changed verdicts for open pages: heard on NATS as they are published, gathered for a second.

A page that missed one loses nothing, as it reads the database anew when it is told of the next, or
when its connection is made again. So nothing is stored, and NATS may be away.
"""

import asyncio
from collections.abc import AsyncGenerator
from typing import Final

from msgspec import Struct

from imagedrift_runtime.logs import get_logger
from imagedrift_runtime.nats import bus
from imagedrift_runtime.nats.connect_options import NatsOptions
from imagedrift_runtime.nats.errors import BusError
from imagedrift_runtime.waiting import wait
from imagedrift_schemas import codec, subjects
from imagedrift_schemas.v1 import Changed

log = get_logger()

MOST_FOLLOWERS: Final = 500
MOST_HELD: Final = 20
"""References of one event; of more, only the number is told."""
AGAIN_AFTER_S: Final = 5.0


class ReferenceChange(Struct, frozen=True):
    """The newest changed verdict of a reference."""

    reference: str
    verdict: str
    hosts: int
    running_hosts: int


HeldChanges = tuple[list[ReferenceChange], int]
"""The changes that a page is told of, and how many more there were."""


class Follower:
    """One open page: what changed since it was last told."""

    def __init__(self) -> None:
        self._waits = asyncio.Event()
        self._held: dict[str, ReferenceChange] = {}
        self._more = 0

    def note(self, change: ReferenceChange) -> None:
        """Hold a change until it is taken."""
        before = self._held.get(change.reference)
        if before is None and len(self._held) >= MOST_HELD:
            self._more += 1
        else:
            self._held[change.reference] = change
        self._waits.set()

    def wake(self) -> None:
        """End the wait of `take`."""
        self._waits.set()

    async def take(self, within_s: float) -> HeldChanges:
        """Wait for a change, and return all, with the number of those that are not held."""
        try:
            async with asyncio.timeout(within_s):
                await self._waits.wait()
        except TimeoutError:
            return [], 0
        taken = list(self._held.values()), self._more
        self._held, self._more = {}, 0
        self._waits.clear()
        return taken


class ChangeFeed:
    """Hands every change to every open page."""

    def __init__(self) -> None:
        self._followers: set[Follower] = set()
        self._is_closed = False

    @property
    def is_full(self) -> bool:
        """Whether no further page can follow."""
        return len(self._followers) >= MOST_FOLLOWERS

    @property
    def has_followers(self) -> bool:
        """Whether any page follows."""
        return bool(self._followers)

    async def follow(self, within_s: float) -> AsyncGenerator[HeldChanges, None]:
        """Yield the changes, or nothing after `within_s`, for as long as it is asked."""
        follower = Follower()
        self._followers.add(follower)
        try:
            while not self._is_closed:
                yield await follower.take(within_s)
        finally:
            self._followers.discard(follower)

    async def close_at(self, stopping: asyncio.Event) -> None:
        """Let every page go when the process is to stop."""
        await stopping.wait()
        self._is_closed = True
        self.wake()

    def wake(self) -> None:
        """Have every page look whether it goes on: somebody signed out."""
        for follower in self._followers:
            follower.wake()

    async def hear(self, _subject: str, payload: bytes) -> None:
        """Take a message of `DRIFT_CHANGED`."""
        changed = codec.decode(payload, Changed)
        told = ReferenceChange(
            reference=f"{changed.registry}/{changed.repository}:{changed.tag}",
            verdict=changed.to_verdict,
            hosts=changed.hosts,
            running_hosts=changed.running_hosts,
        )
        for follower in self._followers:
            follower.note(told)


async def listen(
    feed: ChangeFeed, urls: tuple[str, ...], options: NatsOptions, stopping: asyncio.Event
) -> None:
    """Hand published changes to the feed, until asked to stop; NATS is tried again and again."""
    while not stopping.is_set():
        try:
            async with bus.connect(urls, "imagedrift-dashboard", **options) as connected:
                await connected.listen(subjects.CHANGED_ALL, feed.hear)
                await stopping.wait()
        except BusError as error:
            log.warning("live_updates.failed", error=str(error))
            await wait(stopping, AGAIN_AFTER_S)
