"""The agent's two halves, on a source and an publisher of the test's own."""

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta

import pytest

from imagedrift_agent.core.inventory import ImageList
from imagedrift_agent.core.records import Event
from imagedrift_agent.core.snapshot import Snapshot, SourceFault
from imagedrift_schemas.v1 import LocalImage
from support.agents import RecordingPublisher, RecordingStore, running_agent
from support.polling import until


class QuietSource:
    """A source that has some images, tells of changes when asked to, and counts looks."""

    def __init__(self, images: int = 1) -> None:
        self.images = images
        self.looks = 0
        self.fault = ""
        self.events: asyncio.Queue[Event | None] = asyncio.Queue()
        self.events.put_nowait(None)

    async def take(self) -> Snapshot:
        """Look."""
        self.looks += 1
        if self.fault:
            raise SourceFault(self.fault)
        images = tuple(
            LocalImage(reference=f"docker.io/library/app:{n}", image_id=f"sha256:{n:064x}")
            for n in range(self.images)
        )
        return Snapshot(image_list=ImageList(images, {}), engine="docker")

    async def changes(self) -> AsyncIterator[Event | None]:
        """Tell what happens."""
        while True:
            yield await self.events.get()


class SourceWithoutEvents(QuietSource):
    """A source that can be looked at, and says nothing of its own."""

    async def changes(self) -> AsyncIterator[Event | None]:
        """Refuse."""
        for event in [Event()]:
            if self.images:
                raise SourceFault("GET /events: 403")
            yield event


async def test_an_unchanged_host_says_only_that_it_lives() -> None:
    """One inventory, then signs of life with the content that it stands for."""
    publisher = RecordingPublisher()
    async with running_agent(QuietSource(), publisher, interval_s=1):
        await until(lambda: len(publisher.heartbeats) >= 2, "two signs of life")

    [said] = publisher.inventories
    assert {beat.content for beat in publisher.heartbeats} == {said.content}
    numbers = [said.seq, *(beat.seq for beat in publisher.heartbeats)]
    assert numbers == sorted(set(numbers))


async def test_a_change_without_an_event_is_found_by_the_next_round() -> None:
    """The full look of every interval is the safety net of the events."""
    source, publisher = QuietSource(), RecordingPublisher()
    async with running_agent(source, publisher, interval_s=1):
        await until(lambda: len(publisher.inventories) == 1, "the first inventory")
        source.images = 2
        await until(lambda: len(publisher.inventories) == 2, "the second")

    assert len(publisher.inventories[1].images) == 2


async def test_an_engine_that_tells_no_events_is_looked_at_all_the_same() -> None:
    """A proxy may let the lists through and not the events."""
    source, publisher = SourceWithoutEvents(), RecordingPublisher()
    async with running_agent(source, publisher, interval_s=1):
        await until(lambda: len(publisher.inventories) == 1, "the first inventory")
        source.images = 2
        await until(lambda: len(publisher.inventories) == 2, "the second")

    assert {beat.degraded for beat in publisher.heartbeats} <= {""}


async def test_a_burst_of_events_is_one_look() -> None:
    """A hundred layers of one pull do not cost a hundred looks."""
    source, publisher = QuietSource(), RecordingPublisher()
    async with running_agent(source, publisher):
        await until(lambda: len(publisher.inventories) == 1, "the first inventory")
        await until(source.events.empty, "it listens")
        looks = source.looks
        source.images = 2
        for _ in range(100):
            source.events.put_nowait(Event(type="image", action="tag"))
        await until(lambda: len(publisher.inventories) == 2, "the second")

    assert source.looks == looks + 1


async def test_a_refusal_is_repeated_until_it_is_taken() -> None:
    """Nothing is lost, nothing is said twice."""
    source, publisher = QuietSource(), RecordingPublisher()
    publisher.refuses = True
    async with running_agent(source, publisher):
        await until(lambda: publisher.refused >= 3, "three refusals")
        publisher.refuses = False
        await until(lambda: bool(publisher.inventories), "the inventory")
        await asyncio.sleep(0)

    assert len(publisher.inventories) == 1


async def test_another_identity_forgets_what_was_kept() -> None:
    """A host that is told another NATS, site or id has confirmed nothing yet."""
    memory, first, second = RecordingStore(), RecordingPublisher(), RecordingPublisher()
    async with running_agent(QuietSource(), first, memory, where="one"):
        await until(lambda: bool(first.inventories), "the first inventory")
    async with running_agent(QuietSource(), second, memory, where="two"):
        await until(lambda: bool(second.inventories), "the same, said to another")

    assert first.inventories[0].content == second.inventories[0].content


@pytest.mark.parametrize("fault", ["the engine hangs", "the engine talks nonsense"])
async def test_a_fault_is_said_once_and_so_is_its_end(fault: str) -> None:
    """Between the two, the host says no more than it has to."""
    source, publisher = QuietSource(), RecordingPublisher()
    async with running_agent(source, publisher):
        await until(lambda: bool(publisher.inventories), "the first inventory")
        source.fault = fault
        source.events.put_nowait(None)
        await until(lambda: bool(publisher.heartbeats), "the fault is said")
        source.fault = ""
        await until(lambda: len(publisher.heartbeats) == 2, "its end is said")

    assert [beat.degraded for beat in publisher.heartbeats] == [fault, ""]
    assert len(publisher.inventories) == 1


async def test_a_clock_that_is_set_back_silences_nobody() -> None:
    """Waiting is measured by what only goes on; the clock is only told."""
    publisher, shown = RecordingPublisher(), [datetime(2026, 11, 23, tzinfo=UTC)]
    async with running_agent(QuietSource(), publisher, interval_s=1, now=lambda: shown[0]):
        await until(lambda: bool(publisher.heartbeats), "a sign of life")
        shown[0] -= timedelta(hours=5)
        await until(
            lambda: publisher.heartbeats[-1].at == shown[0], "one after the clock was set back"
        )

    assert publisher.inventories[0].taken_at - publisher.heartbeats[-1].at == timedelta(hours=5)
