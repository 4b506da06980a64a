"""The agent as a whole, on a source and a publisher of the test's own, in virtual time."""

import asyncio

import pytest

from imagedrift_agent.core.records import Event
from support.agents import AgentClock, RecordingPublisher, ScriptedSource, running_agent

pytestmark = pytest.mark.virtual_time


async def test_a_change_on_the_host_is_published_within_a_second() -> None:
    """An event becomes a snapshot, and the snapshot an inventory."""
    source, publisher, clock = ScriptedSource(), RecordingPublisher(), AgentClock()
    async with running_agent(source, publisher, clock=clock):
        await clock.sleep(5)
        source.images = 2
        source.events.put_nowait(Event(type="image", action="tag"))
        await clock.sleep(1)

    assert [len(each.images) for each in publisher.inventories] == [1, 2]


async def test_a_nats_that_is_away_does_not_keep_the_host_unread() -> None:
    """The two halves share the state and wait for each other in nothing."""
    source, publisher, clock = ScriptedSource(), RecordingPublisher(), AgentClock()
    publisher.is_away = True
    async with running_agent(source, publisher, clock=clock, interval_s=10):
        await clock.sleep(100)

    assert source.snapshots >= 10
    assert publisher.inventories == []


async def test_an_agent_stops_at_once() -> None:
    """An agent is stopped in all of its waits."""
    source, clock = ScriptedSource(), AgentClock()
    source.fault = source.events_fault = "no engine"
    async with running_agent(source, RecordingPublisher(), clock=clock):
        await clock.sleep(1000)
        began = asyncio.get_running_loop().time()

    assert asyncio.get_running_loop().time() == began
