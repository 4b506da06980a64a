"""When snapshots are taken: after events, after failures, and once per interval."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
import structlog

from imagedrift_agent.core.messages import HostProfile
from imagedrift_agent.core.records import Event
from imagedrift_agent.state import AgentState
from imagedrift_agent.watcher import Watcher
from support.agents import AgentClock, EngineHealth, RecordingStore, ScriptedSource

pytestmark = pytest.mark.virtual_time

INTERVAL_S = 300
TAGGED = Event(type="image", action="tag")


class Watched:
    """A watcher at work on a scripted source, in virtual time."""

    def __init__(self) -> None:
        self.source = ScriptedSource()
        self.state = AgentState(RecordingStore(), "here")
        self.clock = AgentClock()
        self.health = EngineHealth()
        self.watcher = Watcher(
            HostProfile(site="test", host="h1", interval_s=INTERVAL_S),
            self.source,
            self.state,
            self.clock,
            self.health,
        )

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Watch for the length of an `async with`, which begins after the first snapshots."""
        parts = self.watcher.follow_events, self.watcher.take_snapshots
        tasks = [asyncio.create_task(part()) for part in parts]
        await self.clock.sleep(1)
        try:
            yield
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.wait(tasks)

    async def snapshots_within(self, seconds: float) -> int:
        """Let time pass, and count the snapshots meanwhile."""
        before = self.source.snapshots
        await self.clock.sleep(seconds)
        return self.source.snapshots - before


async def test_a_quiet_host_is_read_once_per_interval() -> None:
    """The safety net of the events: what changed without one is found by the next snapshot."""
    watched = Watched()
    async with watched.running():
        watched.source.images = 2
        assert await watched.snapshots_within(10 * INTERVAL_S) == 10

    assert watched.state.newest
    assert len(watched.state.newest.images) == 2


async def test_a_burst_of_events_is_one_snapshot() -> None:
    """A hundred layers of one pull do not cost a hundred snapshots."""
    watched = Watched()
    async with watched.running():
        for _ in range(100):
            watched.source.events.put_nowait(TAGGED)

        assert await watched.snapshots_within(0.1) == 0
        assert await watched.snapshots_within(2) == 1


async def test_a_reload_of_the_engine_needs_a_snapshot_at_once() -> None:
    """A reload may have hidden any number of events."""
    watched = Watched()
    async with watched.running():
        watched.source.events.put_nowait(Event(type="daemon", action="reload"))

        assert await watched.snapshots_within(0.01) == 1


async def test_a_failing_source_is_tried_after_ever_longer_waits() -> None:
    """Waits double from a second up to the interval; a reason and its end are logged once."""
    watched = Watched()
    async with watched.running():
        watched.source.fault = "the engine hangs"
        watched.source.events.put_nowait(None)
        with structlog.testing.capture_logs() as logs:
            failed = [await watched.snapshots_within(s) for s in (1.5, 2, 4, 8)]
            assert watched.state.degraded == watched.health.reason == "the engine hangs"
            await watched.clock.sleep(3600)
            assert await watched.snapshots_within(10 * INTERVAL_S) == 10
            watched.source.fault = ""
            await watched.clock.sleep(INTERVAL_S)

    assert failed == [2, 1, 1, 1]
    events = [entry["event"] for entry in logs if entry["event"].startswith("snapshot.")]
    assert events == ["snapshot.failed", "snapshot.recovered"]
    assert watched.state.degraded == watched.health.reason == ""


async def test_events_that_are_not_to_be_had_are_asked_for_ever_more_seldom() -> None:
    """A proxy may let the lists through and not the events: snapshots go on without them."""
    watched = Watched()
    watched.source.events_fault = "GET /events: 403"
    with structlog.testing.capture_logs() as logs:
        async with watched.running():
            await watched.clock.sleep(3600)

    assert 12 <= watched.source.snapshots <= 14
    assert watched.source.streams <= 30
    assert [entry["event"] for entry in logs].count("events.ended") == 1


async def test_a_stream_that_worked_and_ended_needs_a_snapshot() -> None:
    """Neither stream told of the changes between the two."""
    watched = Watched()
    async with watched.running():
        await watched.clock.sleep(60)
        watched.source.events_fault = "the engine ended its stream of events"
        watched.source.events.put_nowait(TAGGED)
        assert await watched.snapshots_within(0.1) == 1

        watched.source.events_fault = ""
        streams = watched.source.streams
        assert await watched.snapshots_within(2) == 1

    assert watched.source.streams == streams + 1
